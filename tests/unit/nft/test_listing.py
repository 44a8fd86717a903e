"""natfix/nft/listing.py: what nft lists, as chains in the words of iptables."""

import json
from pathlib import Path
from typing import Any

import pytest

import natfix.nft
from natfix.errors import RulesetSyntaxError
from natfix.nft import BaseChain, NftRuleset, parse_nft
from natfix.packets.ipset import Entry
from natfix.ruleset import Family

# What nft 1.0.6 prints of everything.nft beside it.
EVERYTHING = Path(__file__).parents[2] / "data" / "nft" / "everything.json"
IPV4, IPV6 = Family.IPV4, Family.IPV6


def words(base: BaseChain, chain: str | None = None) -> list[str]:
    found = base.table.chain(chain or base.chain)
    assert found is not None
    return [rule.spec for rule in found.rules]


def listing(*rules: list[dict[str, Any]], family: str = "ip", **objects: Any) -> NftRuleset:  # noqa: ANN401
    """A table with one base chain for source NAT, a chain ``other``, and these rules."""
    place = {"family": family, "table": "t"}
    base = {"type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept", **objects.pop("base", {})}
    return parse_nft(
        json.dumps(
            {
                "nftables": [
                    {"metainfo": {}},
                    {"table": {"family": family, "name": "t"}},
                    *({kind: {**place, **value}} for kind, values in objects.items() for value in values),
                    {"chain": {**place, "name": "other"}},
                    {"chain": {**place, "name": "p", **base}},
                    *({"rule": {**place, "chain": "p", "handle": 7, "expr": rule}} for rule in rules),
                ]
            }
        ).encode(),
        "listing",
    )


def translated(*rules: list[dict[str, Any]], of: Family = IPV4, **objects: Any) -> list[str]:  # noqa: ANN401
    found = listing(*rules, **objects)
    (base,) = found.of(of, "POSTROUTING")
    return words(base)


def test_a_real_listing_becomes_chains_in_the_order_of_their_priorities() -> None:
    found = parse_nft(EVERYTHING.read_bytes(), "everything.json")
    assert [(each.origin, each.chain, each.hook, each.priority, each.table.family) for each in found.chains] == [
        ("table ip docker-bridges", "POST", "POSTROUTING", 100, IPV4),
        ("table inet fw", "p", "POSTROUTING", 110, IPV4),
        ("table inet fw", "p", "POSTROUTING", 110, IPV6),
    ]
    assert found.of(IPV6, "POSTROUTING") == found.chains[2:]
    assert (found.of(IPV4, "PREROUTING"), found.of(IPV4, "POSTROUTING", "filter")) == ((), ())


def test_every_rule_of_a_real_listing_is_put_into_words() -> None:
    docker, firewall, firewall6 = parse_nft(EVERYTHING.read_bytes(), "everything.json").chains
    assert words(docker, "out__docker0") == ["! -o docker0 -s 172.17.0.0/16 -j MASQUERADE"]
    assert words(docker) == [
        "-i br0 -j out__br0",
        "-i docker0 -j out__docker0",
        "-m mark --mark 0x0/0x4000 -j RETURN",
        "-j MARK --set-xmark 0x4000/0x0",
        "-m mark --mark 0x4000 -j RETURN",
        "-m set --match-set docker-bridges/POST#13.1 src,dst -j MASQUERADE",
        (
            "-m set --match-set docker-bridges/POST#15.1 src -m set ! --match-set docker-bridges/POST#15.2 dst "
            "-j SNAT --to-source 1.2.3.4"
        ),
        "-m set --match-set docker-bridges/POST#16.1 dst -p tcp -j SNAT --to-source 1.2.3.4:1024-2048",
        *(
            f"-i eth+ -o {device} -p {protocol} -m multiport ! --dports 80,443:445 -j ACCEPT"
            for device in "ab"
            for protocol in ("tcp", "udp")
        ),
        "-m conntrack --ctstate RELATED,NEW -p tcp -m multiport --dports 80 -d 10.0.0.2 -g out__br0",
        "-m conntrack --ctstate RELATED,NEW -p tcp -m multiport --dports 80 -d 10.0.0.1 -j ACCEPT",
        r'-m nft --expression "{\"numgen\":{\"mode\":\"random\",\"mod\":2,\"offset\":0}} 0" -j MASQUERADE',
        "-j @docker-bridges/POST#24",
        ('-s 10.0.0.0/8 -p tcp -m connmark --mark 0x5 -m nft --expression "limit rate 5/second burst 5 packets" -j MASQUERADE'),
        "-s 10.141.11.0/24 -j NETMAP --to 192.168.2.0/24",
        "-p udp -m multiport --sports 53 -j ACCEPT",
    ]
    assert words(docker, "@docker-bridges/POST#24") == ["-j MARK --set-xmark 0x4000/0x4000", "-j MASQUERADE"]
    assert words(firewall) == ["! -o lo -j MASQUERADE", "-o lo -j RETURN", "! -i lo -j RETURN", "-j q"]
    assert words(firewall6) == ["-s fd00::/8 -j MASQUERADE", "-o lo -j RETURN", "! -i lo -j RETURN", "-j q"]
    assert words(firewall6, "q")[0] == "-m mark ! --mark 0x1/0x3 -j ACCEPT", "what is about IPv4 is not there"


def test_sets_stand_beside_the_chains() -> None:
    (docker, *_) = parse_nft(EVERYTHING.read_bytes(), "everything.json").chains
    sets = docker.ipsets
    assert sets["docker-bridges/POST#15.1"].entries == (Entry(("10.0.0.0/8",)), Entry(("11.0.0.1-11.0.0.9",)))
    assert sets["docker-bridges/POST#13.1"].dimensions == ("net", "port")


def test_a_rule_shows_itself_as_nft_spells_it() -> None:
    (docker, *_) = parse_nft(EVERYTHING.read_bytes(), "everything.json").chains
    chain = docker.table.chain("out__docker0")
    assert chain is not None
    (rule,) = chain.rules
    assert str(rule) == "oifname != docker0 ip saddr 172.17.0.0/16 counter masquerade"
    assert (rule.number, rule.handle, rule.target) == (1, 7, "MASQUERADE")  # type: ignore[attr-defined]


def test_a_base_chain_can_be_called_by_its_hook() -> None:
    (docker, *_) = parse_nft(EVERYTHING.read_bytes(), "everything.json").chains
    hooked = docker.hooked
    chain = hooked.chain("POSTROUTING")
    assert chain is not None
    assert (len(chain.rules), chain.policy, chain.rules[0].chain) == (19, "ACCEPT", "POST")
    assert [each.name for each in hooked.reached_from("POSTROUTING")] == [
        "POSTROUTING",
        "out__br0",
        "out__docker0",
        "@docker-bridges/POST#24",
    ]


def test_every_rule_has_a_line_of_its_own() -> None:
    (docker, *_) = parse_nft(EVERYTHING.read_bytes(), "everything.json").chains
    chains = [chain for name in docker.table.declared if (chain := docker.table.chain(name))]
    lines = [rule.line for chain in chains for rule in chain.rules]
    assert sorted(lines) == list(range(1, len(lines) + 1))


def test_tables_of_other_families_are_left_out_and_those_of_iptables_known_by_their_chains() -> None:
    chain = {"name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    objects = [
        each
        for family, name in (("ip", "nat"), ("ip6", "filter"), ("bridge", "b"), ("inet", "nat"))
        for each in ({"table": {"family": family, "name": name}}, {"chain": {"family": family, "table": name, **chain}})
    ]
    found = parse_nft(json.dumps({"nftables": objects}).encode(), "listing")
    assert [(each.origin, each.built_in) for each in found.chains] == [
        ("table inet nat", ""),
        ("table inet nat", ""),
        ("table ip6 filter", "filter"),
        ("table ip nat", "nat"),
    ]
    assert [each.origin for each in found.beside([(IPV4, "nat")]).chains[2:]] == ["table ip6 filter"]
    assert found.beside([(IPV6, "nat"), (IPV4, "filter")]) == found


def test_policies_hooks_and_named_priorities_are_read() -> None:
    found = listing(base={"hook": "forward", "type": "filter", "prio": "filter", "policy": "drop"})
    (base,) = found.of(IPV4, "FORWARD", "filter")
    chain = base.table.chain("p")
    assert chain is not None
    assert (base.priority, chain.policy) == (0, "DROP")
    for text, number in (("srcnat + 10", 110), ("dstnat-5", -105), ("srcnat", 100)):
        assert listing(base={"prio": text}).chains[0].priority == number


MARK = {"meta": {"key": "mark"}}
SET_MARK = {"mangle": {"key": MARK, "value": 1}}
TCP = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}


@pytest.mark.parametrize(
    ("expressions", "calls", "inside"),
    [
        ([TCP, SET_MARK], ["-p tcp -j MARK --set-xmark 0x1/0xffffffff"], []),
        ([TCP, SET_MARK, {"accept": None}], ["-p tcp -j @t/p#7"], ["-j MARK --set-xmark 0x1/0xffffffff", "-j ACCEPT"]),
        ([TCP, SET_MARK, {"return": None}], ["-p tcp -g @t/p#7"], ["-j MARK --set-xmark 0x1/0xffffffff"]),
        (
            [TCP, SET_MARK, {"goto": {"target": "other"}}],
            ["-p tcp -g @t/p#7"],
            ["-j MARK --set-xmark 0x1/0xffffffff", "-g other"],
        ),
        (
            [TCP, SET_MARK, {"jump": {"target": "other"}}],
            ["-p tcp -j @t/p#7"],
            ["-j MARK --set-xmark 0x1/0xffffffff", "-j other"],
        ),
        ([SET_MARK, {"notrack": None}], ["-j @t/p#7"], ["-j MARK --set-xmark 0x1/0xffffffff", "-j NOTRACK"]),
        (
            [SET_MARK, {"snat": {"family": "ip6", "addr": "fd00::1"}}, {"counter": None}],
            ["-j MARK --set-xmark 0x1/0xffffffff"],
            [],
        ),
    ],
)
def test_a_rule_that_does_several_things_has_a_chain_for_them(
    expressions: list[dict[str, Any]], calls: list[str], inside: list[str]
) -> None:
    (base,) = listing(expressions, family="inet").of(IPV4, "POSTROUTING")
    assert words(base) == calls
    assert (words(base, "@t/p#7") if inside else []) == inside


def test_a_test_after_a_change_is_asked_in_the_chain_of_the_rule() -> None:
    (base,) = listing([SET_MARK, TCP, {"accept": None}]).of(IPV4, "POSTROUTING")
    assert words(base) == ["-j @t/p#7"]
    assert words(base, "@t/p#7") == ["-j MARK --set-xmark 0x1/0xffffffff", "-p tcp -j ACCEPT"]


def test_what_rules_fill_as_packets_come_is_known_to_nobody() -> None:
    saddr = {"payload": {"protocol": "ip", "field": "saddr"}}
    asked: list[dict[str, Any]] = [{"match": {"op": "==", "left": saddr, "right": "@seen"}}, {"return": None}]
    fills: list[dict[str, Any]] = [{"set": {"op": "add", "elem": saddr, "set": "@seen"}}]
    seen = [{"name": "seen", "elem": ["10.0.0.1"]}]
    assert translated(asked, set=seen) == ["-m set --match-set t/p#7.1 src -j RETURN"]
    assert translated(fills, asked, set=seen)[1:] == ['-m nft --expression "ip saddr @seen" -j RETURN']


def test_what_only_counts_or_goes_on_is_a_rule_without_a_target() -> None:
    assert translated([TCP, {"counter": {}}], [TCP, {"continue": None}], [{"log": {}}]) == ["-p tcp", "-p tcp", ""]


def test_what_is_for_the_other_family_is_not_there() -> None:
    six: list[dict[str, Any]] = [
        {"match": {"op": "!=", "left": {"payload": {"protocol": "ip6", "field": "saddr"}}, "right": "fd00::1"}},
        {"accept": None},
    ]
    snat: list[dict[str, Any]] = [{"snat": {"family": "ip6", "addr": "fd00::1"}}]
    assert translated(six, snat, family="inet") == []
    assert translated(six, family="inet", of=IPV6) == ["! -s fd00::1 -j ACCEPT"]


def test_a_chain_that_is_called_as_a_target_of_iptables_is_another_thing() -> None:
    place = {"family": "ip", "table": "t", "chain": "MASQUERADE"}
    found = listing(
        [{"jump": {"target": "MASQUERADE"}}], chain=[{"name": "MASQUERADE"}], rule=[{**place, "expr": [{"masquerade": None}]}]
    )
    (base,) = found.of(IPV4, "POSTROUTING")
    assert words(base) == ["-j chain:MASQUERADE"]
    assert words(base, "chain:MASQUERADE") == ["-j MASQUERADE"]
    (named,) = listing(base={"name": "LOG"}).of(IPV4, "POSTROUTING")
    assert named.hooked.chain("POSTROUTING") is not None


def test_verdict_maps() -> None:
    iifname = {"meta": {"key": "iifname"}}
    jump = {"jump": {"target": "other"}}
    named = [{"name": "jumps", "elem": [["docker0", jump], [{"elem": {"val": "br0", "timeout": 5}}, {"accept": None}]]}]
    assert translated([{"vmap": {"key": iifname, "data": "@jumps"}}], map=named) == ["-i docker0 -j other", "-i br0 -j ACCEPT"]
    assert translated([{"vmap": {"key": iifname, "data": "@gone"}}]) == [
        '-m nft --expression "iifname vmap @gone" -j nft:iifname_vmap_@gone'
    ]
    odd = {"key": {"jhash": {}}, "data": {"set": [[1, jump], [2, {"continue": None}]]}}
    (words_of_one,) = translated([{"vmap": odd}])
    assert words_of_one.startswith('-m nft --expression "')
    assert words_of_one.endswith('" -j other')


ONE_OPERAND = json.dumps(
    {
        "nftables": [
            {"table": {"family": "ip", "name": "mine"}},
            {"chain": {"family": "ip", "table": "mine", "name": "out", "type": "nat", "hook": "postrouting", "prio": 100}},
            {
                "rule": {
                    "family": "ip",
                    "table": "mine",
                    "chain": "out",
                    "expr": [{"match": {"op": "==", "left": {"&": [{"meta": {"key": "mark"}}]}, "right": 1}}],
                }
            },
        ]
    }
).encode()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"table ip nat {", "line 1, column 1: this is no JSON"),
        (b"[]", "this JSON is not what nft prints"),
        (b'{"nftables": [{"chain": 5}]}', "this JSON is not what nft prints"),
        (ONE_OPERAND, "this JSON is not what nft prints"),
        (b'{"nftables": [{"table": {"family": "ip"}}]}', "this JSON is not what nft prints"),
        (b"[" * 100_000, "this JSON is nested too deep"),
    ],
)
def test_what_is_no_listing_is_refused(data: bytes, problem: str) -> None:
    with pytest.raises(RulesetSyntaxError, match=problem):
        parse_nft(data, "listing")


def test_objects_of_tables_that_were_not_listed_are_passed_over() -> None:
    lone = {
        "nftables": [{"chain": {"family": "ip", "table": "gone", "name": "x"}}, {"flowtable": {"family": "ip", "table": "t"}}]
    }
    assert parse_nft(json.dumps(lone).encode(), "listing").chains == ()
    assert [each.chain for each in listing(flowtable=[{"name": "f"}]).chains] == ["p"]


def test_the_package_gives_its_names_when_they_are_asked_for_and_no_others() -> None:
    for name in natfix.nft.__all__:
        vars(natfix.nft).pop(name, None)
        assert getattr(natfix.nft, name).__name__ == name
    with pytest.raises(AttributeError, match=r"natfix\.nft' has no attribute 'nothing'"):
        getattr(natfix.nft, "nothing")  # noqa: B009  (mypy knows that there is none)
