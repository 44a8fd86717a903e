"""natfix/nft/statements.py: what a rule of nft does, in the words of iptables."""

from typing import Any

import pytest

from natfix.nft.statements import effect, translation, verdict
from natfix.ruleset import Family

MARK: dict[str, Any] = {"meta": {"key": "mark"}}
SADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "saddr"}}


def mangled(value: Any, key: Any = None) -> str | None:  # noqa: ANN401
    return effect({"mangle": {"key": key or MARK, "value": value}})


def test_verdicts() -> None:
    assert verdict({"accept": None}) == "-j ACCEPT"
    assert verdict({"jump": {"target": "x"}}) == "-j x"
    assert verdict({"goto": {"target": "x"}}) == "-g x"
    assert verdict({"counter": None}) is None


@pytest.mark.parametrize("target", ["", " ", "a b", "*nat\n", 1, None, []])
def test_no_verdict_leads_to_what_is_no_name(target: Any) -> None:  # noqa: ANN401
    with pytest.raises(ValueError, match=r".*"):
        verdict({"jump": {"target": target}})


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ({"masquerade": None}, ("-j MASQUERADE",)),
        ({"masquerade": {"flags": "fully-random"}}, ("-j MASQUERADE",)),
        ({"redirect": {"port": 8080}}, ("-j REDIRECT",)),
        ({"snat": {"addr": "10.0.0.1"}}, ("-j SNAT --to-source 10.0.0.1",)),
        ({"snat": {"family": "ip", "addr": "10.0.0.1"}}, ("-j SNAT --to-source 10.0.0.1",)),
        ({"snat": {"family": "ip6", "addr": "fd00::1"}}, ()),
        ({"snat": {"addr": {"range": ["10.0.0.1", "10.0.0.9"]}}}, ("-j SNAT --to-source 10.0.0.1-10.0.0.9",)),
        ({"snat": {"addr": "10.0.0.1", "port": {"range": [1, 9]}}}, ("-j SNAT --to-source 10.0.0.1:1-9",)),
        ({"dnat": {"addr": "fd00::1", "port": 80}}, ("-j DNAT --to-destination [fd00::1]:80",)),
        ({"dnat": {"port": 80}}, ("-j DNAT --to-destination :80",)),
        ({"dnat": {"addr": {"numgen": {}}}}, ("-j DNAT",)),
        ({"snat": None}, ("-j SNAT",)),
        ({"dnat": {"addr": {"map": {"key": SADDR, "data": "@m"}}}}, ("-j DNAT",)),
        ({"snat": {"addr": {"map": {"key": SADDR, "data": "@m"}}}}, ("-j SNAT",)),
        ({"snat": {"addr": {"map": {"key": MARK, "data": {"set": []}}}}}, ("-j SNAT",)),
        (
            {"snat": {"addr": {"map": {"key": SADDR, "data": {"set": [["10.0.0.0", "10.1.0.0"]]}}}}},
            ("-s 10.0.0.0 -j NETMAP --to 10.1.0.0",),
        ),
        ({"snat": {"addr": SADDR}}, ("-j NETMAP --to 0.0.0.0/0",)),
        ({"snat": {"addr": {"payload": {"protocol": "ip", "field": "daddr"}}}}, ("-j SNAT",)),
        ({"dnat": {"addr": SADDR}}, ("-j DNAT",)),
        ({"counter": None}, None),
    ],
)
def test_statements_that_rewrite_addresses(statement: dict[str, Any], words: tuple[str, ...] | None) -> None:
    assert translation(statement, Family.IPV4) == words


def test_marks_are_changed() -> None:
    assert mangled(16384) == "-j MARK --set-xmark 0x4000/0xffffffff"
    assert mangled({"|": [MARK, 1]}) == "-j MARK --or-mark 0x1"
    assert mangled({"&": [MARK, 1]}) == "-j MARK --and-mark 0x1"
    assert mangled({"^": [MARK, 1]}) == "-j MARK --xor-mark 0x1"
    assert mangled({"ct": {"key": "mark"}}) == "-j CONNMARK --restore-mark"
    assert mangled(MARK, {"ct": {"key": "mark"}}) == "-j CONNMARK --save-mark"


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("x", None),
        ({"<<": [MARK, 1]}, None),
        ({"|": [{"numgen": {}}, 1]}, None),
        (1, SADDR),
        ({"a": 1, "b": 2}, None),
        (1, {"x": {}}),
    ],
)
def test_a_change_that_nobody_can_follow_is_a_target_of_its_own(value: Any, key: Any) -> None:  # noqa: ANN401
    words = mangled(value, key)
    assert words is not None
    assert words.startswith("-j nft:")
    assert words.count(" ") == 1


def test_what_changes_nothing_and_what_nobody_knows() -> None:
    assert [effect({kind: {}}) for kind in ("counter", "log", "set")] == [None, None, None]
    assert effect({"notrack": None}) == "-j NOTRACK"
    assert effect({"queue": {"num": 1}}) == "-j nft:{'queue':{'num':1}}"
