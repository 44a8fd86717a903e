"""natfix/nft/expressions.py: a rule of nft, step by step."""

from typing import Any

from natfix.nft.expressions import steps_of
from natfix.nft.matches import Matches, unknown
from natfix.nft.step import EVERYBODY, How, Step, Way
from natfix.packets.bits import Change
from natfix.ruleset import Family

SADDR: dict[str, Any] = {"payload": {"protocol": "ip", "field": "saddr"}}
MARK: dict[str, Any] = {"meta": {"key": "mark"}}
TCP: dict[str, Any] = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": "tcp"}}
ACCEPT = (Way(does="-j ACCEPT", how=How.END),)
LOST = Change.to_unknown()
NEITHER = {"xt": None}


def steps(*expressions: Any) -> list[Step]:  # noqa: ANN401
    return steps_of(expressions, Matches(Family.IPV4, "t/p#1", {}))


def test_tests_changes_and_ends_are_steps() -> None:
    assert steps(TCP, {"counter": None}, {"mangle": {"key": MARK, "value": 1}}, {"masquerade": None}) == [
        (Way("-p tcp"),),
        EVERYBODY,
        (Way(does="-j MARK --set-xmark 0x1/0xffffffff", change=Change(1, 0xFFFFFFFF)),),
        (Way(does="-j MASQUERADE", how=How.END),),
    ]
    vmap = {"vmap": {"key": {"meta": {"key": "iifname"}}, "data": {"set": [["a", {"accept": None}]]}}}
    assert steps(vmap) == [(Way("-i a", "-j ACCEPT", How.END),)]


def test_what_nft_says_in_its_own_words_may_stop_the_rule() -> None:
    assert steps("add @seen { ip saddr : 5 }", {"accept": None}) == [(Way(unknown("add @seen { ip saddr : 5 }")),), ACCEPT]


def test_what_is_asked_after_a_change_that_is_not_followed_is_known_to_nobody() -> None:
    unseen = {"mangle": {"key": SADDR, "value": "10.0.0.1"}}
    assert steps(unseen, TCP, {"accept": None})[1:] == [(Way(unknown("meta l4proto tcp")),), ACCEPT]
    # Of a mark the walk knows itself that nobody knows it.
    unknown_mark = {"mangle": {"key": MARK, "value": {"numgen": {}}}}
    assert steps(unknown_mark, TCP, {"accept": None})[2:] == [(Way("-p tcp"),), ACCEPT]


def test_an_expression_of_iptables_is_its_target_where_no_other_ends_the_rule() -> None:
    words = unknown('{"xt":null}')
    assert steps(NEITHER, {"accept": None}) == [(Way(words),), ACCEPT]
    assert steps(NEITHER) == [(Way(words, "-j nft:xt", change=LOST), Way(words, "-j MASQUERADE", How.END))]
    assert steps({"xt": {"type": "match", "name": "set"}}) == [(Way(unknown("xt match set")),)]
    assert steps({"xt": {"type": "target", "name": "SNAT"}}) == [(Way(does="-j SNAT", how=How.END),)]
    assert steps({"xt": {"type": "target", "name": "MARK"}}) == [(Way(does="-j nft:mark", change=LOST),)]
    assert steps({"xt": {"type": "target", "name": "CONNMARK"}})[0] == (Way(does="-j CONNMARK"),)
    assert steps({"xt": {"type": "target", "name": "HMARK"}})[0] == (Way(does="-j nft:xt_HMARK", change=LOST),)
