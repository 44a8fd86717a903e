"""natfix/nft/spelling.py: rules as nft spells them."""

from typing import Any

import pytest

from natfix.nft.spelling import left, right, spelled, statement


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"payload": {"protocol": "ip", "field": "saddr"}}, "ip saddr"),
        ({"payload": {"base": "th", "offset": 0, "len": 16}}, "@th,0,16"),
        ({"meta": {"key": "oifname"}}, "oifname"),
        ({"meta": {"key": "mark"}}, "meta mark"),
        ({"ct": {"key": "state"}}, "ct state"),
        ({"ct": {"key": "saddr", "dir": "original"}}, "ct original saddr"),
        ({"fib": {"result": "type", "flags": ["daddr", "iif"]}}, "fib daddr . iif type"),
        ({"concat": [{"meta": {"key": "iifname"}}, {"meta": {"key": "mark"}}]}, "iifname . meta mark"),
        ({"&": [{"meta": {"key": "mark"}}, 255]}, "meta mark & 0xff"),
        ({"|": [{"meta": {"key": "mark"}}, "@x"]}, "meta mark | @x"),
        ({"jhash": {"mod": 2}}, '{"jhash":{"mod":2}}'),
        (5, "5"),
    ],
)
def test_what_a_match_looks_at(value: Any, text: str) -> None:  # noqa: ANN401
    assert left(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (80, "80"),
        (0x40000, "0x40000"),
        ("@pods", "@pods"),
        (["new", "related"], "new,related"),
        ({"prefix": {"addr": "10.0.0.0", "len": 8}}, "10.0.0.0/8"),
        ({"range": [1, 9]}, "1-9"),
        ({"set": ["a", 5]}, "{ a, 5 }"),
        ({"set": [["a", {"accept": None}]]}, "{ a : accept }"),
        ({"meta": {"key": "mark"}}, "meta mark"),
        ({"concat": ["10.0.0.1", "tcp", 80]}, "10.0.0.1 . tcp . 80"),
        ({"elem": {"val": "10.0.0.1", "comment": "one"}}, "10.0.0.1"),
        ({"elem": {"val": "10.0.0.1", "timeout": 10}}, "10.0.0.1 timeout 10s"),
        ({"elem": {"odd": 1}}, '{"elem":{"odd":1}}'),
        ({"set": [["10.0.0.1", 5], ["*", {"prefix": {"addr": "10.0.0.0", "len": 8}}]]}, "{ 10.0.0.1 : 5, * : 10.0.0.0/8 }"),
        (True, "exists"),
        (False, "missing"),
    ],
)
def test_what_it_is_compared_with(value: Any, text: str) -> None:  # noqa: ANN401
    assert right(value) == text


def test_a_whole_rule() -> None:
    match = {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "docker0"}}
    assert spelled([match, {"counter": {"packets": 1}}, {"masquerade": None}]) == "oifname != docker0 counter masquerade"
    assert statement({"jump": {"target": "x"}}) == "jump x"
    assert statement({"vmap": {"key": {"meta": {"key": "iifname"}}, "data": "@jumps"}}) == "iifname vmap @jumps"
    assert statement({"snat": {"addr": "10.0.0.1"}}) == "snat to 10.0.0.1"
    assert statement({"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}) == "meta mark set 1"


SADDR = {"payload": {"protocol": "ip", "field": "saddr"}}
MARK = {"meta": {"key": "mark"}}
LIMIT = {"limit": {"rate": 1, "burst": 5, "per": "second"}}


@pytest.mark.parametrize(
    ("one", "text"),
    [
        ({"match": {"op": "==", "left": {"&": [MARK, 0xFF0000]}, "right": 0x40000}}, "meta mark & 0xff0000 == 0x40000"),
        ({"match": {"op": "!=", "left": {"&": [MARK, 1]}, "right": 1}}, "meta mark & 0x1 != 1"),
        ({"match": {"op": "in", "left": {"payload": {"protocol": "tcp", "field": "flags"}}, "right": "syn"}}, "tcp flags syn"),
        ({"snat": {"addr": {"range": ["10.0.0.1", "10.0.0.9"]}}}, "snat to 10.0.0.1-10.0.0.9"),
        (
            {"snat": {"family": "ip", "addr": "10.0.0.1", "port": {"range": [1, 9]}, "flags": ["random", "persistent"]}},
            "snat ip to 10.0.0.1:1-9 random,persistent",
        ),
        ({"dnat": {"addr": "fd00::1", "port": 80}}, "dnat to [fd00::1]:80"),
        (
            {"snat": {"addr": {"map": {"key": SADDR, "data": "@m"}}, "flags": "netmap", "type_flags": "prefix"}},
            "snat prefix to ip saddr map @m",
        ),
        ({"snat": {"addr": {"map": {"key": SADDR, "data": {"set": [["a", "b"]]}}}}}, "snat to ip saddr map { a : b }"),
        ({"masquerade": {"port": {"range": [1, 9]}, "flags": "random"}}, "masquerade to :1-9 random"),
        ({"masquerade": {"flags": "fully-random"}}, "masquerade fully-random"),
        ({"redirect": {"port": 80}}, "redirect to :80"),
        ({"redirect": None}, "redirect"),
        ({"mangle": {"key": MARK, "value": {"|": [{"&": [MARK, 0xFF00FFFF]}, 0x40000]}}},
         "meta mark set meta mark & 0xff00ffff | 0x40000"),
        ({"mangle": {"key": MARK, "value": {"map": {"key": SADDR, "data": {"set": [["a", 1]]}}}}},
         "meta mark set ip saddr map { a : 1 }"),
        ({"mangle": {"key": {"tcp option": {"name": "maxseg", "field": "size"}}, "value": {"rt": {"key": "mtu"}}}},
         "tcp option maxseg size set rt mtu"),
        ({"match": {"op": "==", "left": {"tcp option": {"name": "sack"}}, "right": True}}, "tcp option sack exists"),
        ({"set": {"op": "add", "elem": {"elem": {"val": SADDR, "timeout": 10}}, "set": "@seen"}},
         "add @seen { ip saddr timeout 10s }"),
        ({"set": {"op": "update", "elem": SADDR, "set": "@rl", "stmt": [LIMIT]}},
         "update @rl { ip saddr limit rate 1/second burst 5 packets }"),
        ({"map": {"op": "add", "elem": SADDR, "data": 5, "map": "@m"}}, "add @m { ip saddr : 5 }"),
        ({"meter": {"key": SADDR, "stmt": LIMIT, "size": 9, "name": "mm"}},
         "meter mm { ip saddr limit rate 1/second burst 5 packets }"),
        ({"ct count": {"val": 9, "inv": True}}, "ct count over 9"),
        ({"ct count": {"val": 9}}, "ct count 9"),
        ({"limit": {"rate": 9, "rate_unit": "kbytes", "per": "hour", "inv": True}}, "limit rate over 9 kbytes/hour"),
        ({"limit": "named"}, '{"limit":"named"}'),
        ({"limit": {}}, '{"limit":{}}'),
        ({"mangle": {"key": {"meta": {}}, "value": {"map": {}}}}, '{"meta":{}} set {"map":{}}'),
    ],
)  # fmt: skip
def test_statements(one: dict[str, Any], text: str) -> None:
    assert statement(one) == text


def test_what_nft_says_in_its_own_words_stays_so() -> None:
    assert spelled(["add @m { ip saddr : 0x00000005 }", {"accept": None}]) == "add @m { ip saddr : 0x00000005 } accept"
