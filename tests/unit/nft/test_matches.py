"""natfix/nft/matches.py: what a rule of nft tests, in the words of iptables."""

from typing import Any

import pytest

from natfix.nft.matches import ALWAYS, NEVER, Matches, unknown
from natfix.ruleset import Family

NAMED: dict[str, list[Any]] = {
    "filled": ["10.0.0.1"],
    "nets": [{"prefix": {"addr": "10.0.0.0", "len": 8}}],
    "ports": [80, {"elem": {"val": {"range": [443, 445]}, "timeout": 9}}],
}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def of(left: Any, right: Any, operator: str = "==", family: Family = Family.IPV4) -> tuple[str, ...]:  # noqa: ANN401
    return Matches(family, "t/p#1", NAMED, frozenset({"filled"})).of({"op": operator, "left": left, "right": right})


@pytest.mark.parametrize(
    ("left", "right", "words", "negated"),
    [
        (payload("ip", "saddr"), "10.0.0.1", "-s 10.0.0.1", "! -s 10.0.0.1"),
        (payload("ip", "daddr"), {"prefix": {"addr": "10.0.0.0", "len": 8}}, "-d 10.0.0.0/8", "! -d 10.0.0.0/8"),
        (payload("ip", "daddr"), "@nets", "-m set --match-set t/p#1.1 dst", "-m set ! --match-set t/p#1.1 dst"),
        (payload("ip", "saddr"), {"set": ["10.0.0.1"]}, "-m set --match-set t/p#1.1 src", "-m set ! --match-set t/p#1.1 src"),
        (payload("ip", "protocol"), "icmp", "-p icmp", "! -p icmp"),
        (meta("l4proto"), 132, "-p 132", "! -p 132"),
        (meta("iifname"), "docker0", "-i docker0", "! -i docker0"),
        (meta("oif"), "lo", "-o lo", "! -o lo"),
        (meta("oifname"), "cali*", "-o cali+", "! -o cali+"),
        (meta("mark"), 16384, "-m mark --mark 0x4000", "-m mark ! --mark 0x4000"),
        ({"ct": {"key": "mark"}}, 5, "-m connmark --mark 0x5", "-m connmark ! --mark 0x5"),
        ({"&": [{"ct": {"key": "mark"}}, 3]}, 1, "-m connmark --mark 0x1/0x3", "-m connmark ! --mark 0x1/0x3"),
        ({"&": [meta("mark"), 16384]}, 0, "-m mark --mark 0x0/0x4000", "-m mark ! --mark 0x0/0x4000"),
        (payload("tcp", "dport"), 80, "-p tcp -m multiport --dports 80", "-p tcp -m multiport ! --dports 80"),
        (
            payload("udp", "sport"),
            "@ports",
            "-p udp -m multiport --sports 80,443:445",
            "-p udp -m multiport ! --sports 80,443:445",
        ),
        (payload("th", "dport"), {"range": [1, 9]}, "-m multiport --dports 1:9", "-m multiport ! --dports 1:9"),
        ({"ct": {"key": "state"}}, "new", "-m conntrack --ctstate NEW", "-m conntrack ! --ctstate NEW"),
        (
            {"fib": {"result": "type", "flags": ["daddr"]}},
            "local",
            "-m addrtype --dst-type LOCAL",
            "-m addrtype ! --dst-type LOCAL",
        ),
        (
            {"fib": {"result": "type", "flags": ["saddr"]}},
            {"set": ["local", "broadcast"]},
            "-m addrtype --src-type LOCAL,BROADCAST",
            "-m addrtype ! --src-type LOCAL,BROADCAST",
        ),
        (
            {"ct": {"key": "state"}},
            {"set": ["new", "related"]},
            "-m conntrack --ctstate NEW,RELATED",
            "-m conntrack ! --ctstate NEW,RELATED",
        ),
        ({"ct": {"key": "direction"}}, "reply", "-m conntrack --ctdir REPLY", "-m conntrack ! --ctdir REPLY"),
        (
            {"concat": [payload("ip", "daddr"), payload("tcp", "dport")]},
            {"set": [{"concat": ["10.0.0.1", 80]}]},
            "-p tcp -m set --match-set t/p#1.1 dst,dst",
            "-p tcp -m set ! --match-set t/p#1.1 dst,dst",
        ),
        (
            {"concat": [meta("oifname"), meta("l4proto")]},
            {"set": [{"concat": ["eth0", "tcp"]}]},
            "-m set --match-set t/p#1.1 dst,src",
            "-m set ! --match-set t/p#1.1 dst,src",
        ),
        (
            {"concat": [payload("ip", "saddr"), payload("ip", "daddr")]},
            {"set": [{"concat": ["10.0.0.1", "10.0.0.2"]}]},
            "-m set --match-set t/p#1.1 src,dst",
            "-m set ! --match-set t/p#1.1 src,dst",
        ),
    ],
)
def test_a_comparison_has_words_and_so_has_its_opposite(left: Any, right: Any, words: str, negated: str) -> None:  # noqa: ANN401
    assert of(left, right) == (words,)
    assert of(left, right, "!=") == (negated,)


def test_one_of_several_names_is_several_alternatives_and_none_of_them_is_one_test() -> None:
    assert of(meta("oifname"), {"set": ["a", "b"]}) == ("-o a", "-o b")
    assert of(meta("oifname"), {"set": ["a", "b"]}, "!=") == ("! -o a ! -o b",)
    assert of(meta("mark"), {"set": [1, 2]}) == ("-m mark --mark 0x1", "-m mark --mark 0x2")
    masked = {"&": [meta("mark"), 15]}
    assert of(masked, {"set": [1, 2]}) == ("-m mark --mark 0x1/0xf", "-m mark --mark 0x2/0xf")
    assert of(masked, {"set": [1, 2]}, "!=") == ("-m mark ! --mark 0x1/0xf -m mark ! --mark 0x2/0xf",)
    assert of({"ct": {"key": "state"}}, ["related", "new"], "in") == ("-m conntrack --ctstate RELATED,NEW",)


def test_what_no_set_of_iptables_holds_is_an_alternative_for_each_element() -> None:
    key = {"concat": [payload("ip", "saddr"), meta("mark")]}
    elements = {"set": [{"concat": ["10.0.0.1", 1]}, {"elem": {"val": {"concat": ["10.0.0.2", 2]}, "timeout": 9}}]}
    assert of(key, elements) == ("-s 10.0.0.1 -m mark --mark 0x1", "-s 10.0.0.2 -m mark --mark 0x2")


def test_the_family_is_known_when_rules_are_put_into_words() -> None:
    assert of(meta("nfproto"), "ipv4") == ALWAYS
    assert of(meta("nfproto"), "ipv6") == NEVER
    assert of(meta("nfproto"), "ipv6", "!=") == ALWAYS
    assert of(payload("ip6", "saddr"), "fd00::1") == NEVER
    assert of(payload("ip6", "saddr"), "fd00::1", "!=") == NEVER
    assert of({"concat": [payload("ip6", "saddr"), meta("iifname")]}, {"set": []}, "!=") == NEVER
    assert of(meta("nfproto"), {"set": ["ipv4", "ipv6"]}) == ALWAYS
    assert of(meta("protocol"), "ip") == ALWAYS
    assert of(meta("protocol"), {"set": ["ip6", "arp"]}) == NEVER
    assert of(meta("protocol"), "ip", family=Family.IPV6) == NEVER
    assert of(payload("ip6", "saddr"), "fd00::1", family=Family.IPV6) == ("-s fd00::1",)
    assert of(payload("ip6", "nexthdr"), "tcp", family=Family.IPV6) == ("-p tcp",)


@pytest.mark.parametrize(
    ("left", "right", "operator"),
    [
        (meta("mark"), 5, "<"),
        (meta("mark"), "five", "=="),
        (meta("skuid"), 0, "=="),
        ({"&": [{"ct": {"key": "label"}}, 1]}, 1, "=="),
        ({"&": [meta("mark"), "x"]}, 1, "=="),
        ({"&": [meta("mark"), 1]}, "x", "=="),
        ({"fib": {"result": "oif", "flags": ["saddr"]}}, "eth0", "=="),
        ({"fib": {"result": "type", "flags": ["daddr", "iif"]}}, "local", "=="),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, ["local", "unicast"], "=="),
        ({"concat": [payload("ip", "saddr"), meta("mark")]}, {"set": [{"concat": ["10.0.0.1", 1]}]}, "!="),
        (payload("tcp", "dport"), {"set": []}, "!="),
        (payload("ip", "daddr"), "@filled", "=="),
        ({"ct": {"key": "state"}}, ["new", "related"], "!="),
        ({"numgen": {"mode": "inc", "mod": 2}}, 0, "=="),
        (payload("ip", "daddr"), "@gone", "=="),
        (meta("iifname"), {"map": {}}, "=="),
    ],
)
def test_what_has_no_words_cannot_be_evaluated_by_anybody(left: Any, right: Any, operator: str) -> None:  # noqa: ANN401
    (words,) = of(left, right, operator)
    assert words.startswith('-m nft --expression "')


def test_the_words_of_what_is_unknown_are_quoted() -> None:
    assert unknown('say "\\x"') == r'-m nft --expression "say \"\\x\""'
