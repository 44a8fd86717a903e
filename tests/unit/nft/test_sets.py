"""natfix/nft/sets.py: nft's sets as ipsets."""

from typing import Any

import pytest

from natfix.nft.sets import UnknownError, bare_element, filled_sets, key_of, set_of, text_of
from natfix.packets.ipset import Entry, IpSet
from natfix.ruleset import Family

SADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "saddr"}}
DADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "daddr"}}
PORT: dict[str, Any] = {"payload": {"protocol": "th", "field": "dport"}}
PROTOCOL: dict[str, Any] = {"meta": {"key": "l4proto"}}


def test_a_set_of_networks() -> None:
    elements = [{"prefix": {"addr": "10.0.0.0", "len": 8}}, {"range": ["11.0.0.1", "11.0.0.9"]}, {"elem": {"val": "1.1.1.1"}}]
    made = IpSet("s", ("net",), Family.IPV4, (Entry(("10.0.0.0/8",)), Entry(("11.0.0.1-11.0.0.9",)), Entry(("1.1.1.1",))))
    assert set_of("s", DADDR, elements, Family.IPV4) == (made, "dst")


def test_a_protocol_and_a_port_are_one_part_of_an_entry() -> None:
    key = {"concat": [DADDR, PROTOCOL, PORT, {"meta": {"key": "iifname"}}]}
    made, directions = set_of("s", key, [{"concat": ["10.0.0.1", "tcp", 80, "eth*"]}], Family.IPV4)
    assert (made.dimensions, directions) == (("net", "port", "iface"), "dst,dst,src")
    assert made.entries == (Entry(("10.0.0.1", "tcp:80", "eth+")),)


def test_a_protocol_alone_is_a_part_too_and_a_port_may_bring_its_own() -> None:
    made, directions = set_of("s", {"concat": [DADDR, PROTOCOL]}, [{"concat": ["10.0.0.1", "tcp"]}], Family.IPV4)
    assert (made.dimensions, directions, made.entries) == (("net", "proto"), "dst,src", (Entry(("10.0.0.1", "tcp")),))
    key = {"concat": [{"payload": {"protocol": "udp", "field": "sport"}}, DADDR]}
    made, directions = set_of("s", key, [{"concat": [53, "10.0.0.1"]}], Family.IPV4)
    assert (made.dimensions, directions, made.entries) == (("port", "net"), "src,dst", (Entry(("udp:53", "10.0.0.1")),))


def test_sets_that_rules_fill_are_known_by_name() -> None:
    expressions = [
        {"counter": None},
        {"set": {"op": "add", "elem": DADDR, "set": "@seen"}},
        {"map": {"op": "update", "elem": DADDR, "data": 1, "map": "@marks"}},
        "delete @gone { ip saddr : 0x00000005 }",
        "something else",
    ]
    assert filled_sets(expressions) == {"seen", "marks", "gone"}


@pytest.mark.parametrize(
    ("key", "element"),
    [
        ({"concat": [DADDR, PORT]}, {"concat": ["10.0.0.1", 80]}),
        ({"meta": {"key": "skuid"}}, 0),
        ({"concat": [SADDR, DADDR]}, {"concat": ["10.0.0.1"]}),
        ({"concat": [SADDR, DADDR]}, "10.0.0.1"),
        (SADDR, {"map": {}}),
        ({"jhash": {}}, 1),
    ],
)
def test_what_no_ipset_can_be_is_unknown(key: Any, element: Any) -> None:  # noqa: ANN401
    with pytest.raises(UnknownError):
        set_of("s", key, [element], Family.IPV4)


def test_a_key_is_named_by_where_it_is_from() -> None:
    assert key_of(SADDR) == ("ip", "saddr")
    assert key_of({"ct": {"key": "mark"}}) == ("ct", "mark")
    for odd in ({"ct": {"key": "saddr", "dir": "original"}}, {"payload": {"base": "th", "offset": 0, "len": 16}}, 5, {}):
        with pytest.raises(UnknownError):
            key_of(odd)


def test_values_are_written_as_iptables_does() -> None:
    assert [text_of(each) for each in ("eth0", "eth*", 80, {"range": [1, 2]})] == ["eth0", "eth+", "80", "1-2"]
    assert text_of({"prefix": {"addr": "fd00::", "len": 8}}) == "fd00::/8"
    with pytest.raises(UnknownError):
        text_of(["a"])
    assert bare_element({"elem": {"val": "x", "comment": "c"}}) == "x"
