"""natfix/nft/maps.py: what a map gives, and for which packets."""

from typing import Any

from natfix.nft.maps import Given, given, values
from natfix.nft.matches import Matches, unknown
from natfix.ruleset import Family

SADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "saddr"}}
OIFNAME: dict[str, Any] = {"meta": {"key": "oifname"}}
NAMED: dict[str, list[Any]] = {
    "known": [["10.0.0.1", 1], [{"elem": {"val": "10.0.0.2", "timeout": 5}}, 2]],
    "filled": [["10.0.0.1", 1]],
}


def gives(key: Any, data: Any, family: Family = Family.IPV4) -> tuple[Given, ...]:  # noqa: ANN401
    matches = Matches(family, "t/p#1", NAMED, frozenset({"filled", "empty"}))
    return given({"key": key, "data": data}, matches, "map")


def test_each_key_is_a_test() -> None:
    assert gives(SADDR, "@known") == (Given("-s 10.0.0.1", 1), Given("-s 10.0.0.2", 2))
    assert gives(OIFNAME, {"set": [["a", 1], ["b*", 2]]}) == (Given("-o a", 1), Given("-o b+", 2))
    assert gives(SADDR, "@known", Family.IPV6) == ()


def test_what_meets_no_key_gets_what_stands_for_everything_else() -> None:
    assert gives(OIFNAME, {"set": [["*", 0], ["a", 1], ["b*", 2]]}) == (
        Given("! -o a ! -o b+", 0),
        Given("-o a", 1),
        Given("-o b+", 2),
    )
    assert gives(OIFNAME, {"set": [["*", 0]]}) == (Given("", 0),)


def test_what_is_in_a_map_that_rules_fill_is_known_to_nobody() -> None:
    assert gives(SADDR, "@filled") == (Given(unknown("map"), 1), Given(unknown("map"), None))
    assert gives(SADDR, "@empty") == gives(SADDR, "@gone") == (Given(unknown("map"), None),)


def test_a_key_that_has_no_words_is_known_to_nobody() -> None:
    assert gives({"jhash": {}}, {"set": [[0, "a"], [1, "b"]]}) == (Given(unknown("map"), "a"), Given(unknown("map"), "b"))
    state = {"ct": {"key": "state"}}
    assert gives(state, {"set": [[["new", "related"], 1], ["new", 2], ["*", 3]]}) == (
        Given(unknown("map"), 1),
        Given("-m conntrack --ctstate NEW", 2),
        Given(unknown("map"), 3),
    )


def test_of_keys_that_share_a_packet_nobody_knows_which_is_first() -> None:
    pair = {"concat": [SADDR, OIFNAME]}
    wide = {"concat": [{"prefix": {"addr": "10.0.0.0", "len": 8}}, "a"]}
    elements = [[wide, 1], [{"concat": ["10.0.0.1", "a"]}, 2], [{"concat": ["10.0.0.1", "b"]}, 3]]
    assert gives(pair, {"set": elements}) == (
        Given(unknown("map"), 1),
        Given(unknown("map"), 2),
        Given("-m set --match-set t/p#1.1 src,dst", 3),
    )


def test_of_a_map_with_very_many_keys_nobody_can_tell_what_it_gives() -> None:
    few, many = ([[f"10.0.{number // 250}.{number % 250}", number] for number in range(size)] for size in (256, 257))
    matches = Matches(Family.IPV4, "t/p#1", {"few": few, "many": many}, frozenset())
    assert len(values({"key": SADDR, "data": "@few"}, matches, "map")) == 256
    for data in ("@many", {"set": many}):
        assert values({"key": SADDR, "data": data}, matches, "map") == (Given(unknown("map"), None),)
    assert values({"key": SADDR, "data": "@gone"}, matches, "map") == (Given(unknown("map"), None),)
    # Verdicts are followed, as kube-proxy keeps all services in one such map.
    assert len(given({"key": SADDR, "data": "@many"}, matches, "map")) == 257
