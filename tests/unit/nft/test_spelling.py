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
    assert statement({"snat": {"addr": {"map": {}}}}) == '{"snat":{"addr":{"map":{}}}}'
    assert statement({"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}) == "meta mark set 1"
