"""natfix/plan/transaction.py: a plan as lines for iptables-restore."""

import pytest

from natfix.errors import ConflictError
from natfix.plan.edit import Edit, Plan
from natfix.plan.transaction import compile_script
from natfix.ruleset import Rule, parse
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

SWAP = Edit(Rule("POSTROUTING", BROAD), Rule("POSTROUTING", CORRECTED))


def script(plan: Plan, *rules: str) -> list[str]:
    lines = compile_script(plan, subject(*rules, chains={"OTHER": []}).table).split("\n")
    assert (lines[0], lines[-2:]) == ("*nat", ["COMMIT", ""])
    return lines[1:-2]


def test_a_rule_is_swapped_by_its_words_at_its_place() -> None:
    assert script(Plan((SWAP,)), "-o tun0 -j ACCEPT", BROAD) == [
        f"-D POSTROUTING {BROAD}",
        f"-I POSTROUTING 2 {CORRECTED}",
    ]


def test_counters_are_carried_over() -> None:
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n[3:180] -A POSTROUTING {BROAD}\nCOMMIT\n"
    lines = compile_script(Plan((SWAP,)), parse(text.encode(), "x").tables[0]).split("\n")
    assert lines[2] == f"-I POSTROUTING 1 -c 3 180 {CORRECTED}"


def test_every_copy_goes_and_one_rule_comes() -> None:
    assert script(Plan((SWAP,)), BROAD, "-j ACCEPT", BROAD) == [
        f"-D POSTROUTING {BROAD}",
        f"-I POSTROUTING 1 {CORRECTED}",
        f"-D POSTROUTING {BROAD}",
    ]


def test_a_rule_that_is_there_is_not_put_there_again() -> None:
    assert script(Plan((SWAP,)), CORRECTED, BROAD) == [f"-D POSTROUTING {BROAD}"]


def test_own_chains_are_made_first_and_removed_last() -> None:
    plan = Plan((SWAP,), {"NATFIX-1": ("-d 10.0.0.0/8 -j RETURN", "-j MASQUERADE"), "NATFIX-2": ()})
    assert script(plan, BROAD) == [
        ":NATFIX-1 - [0:0]",
        "-A NATFIX-1 -d 10.0.0.0/8 -j RETURN",
        "-A NATFIX-1 -j MASQUERADE",
        f"-D POSTROUTING {BROAD}",
        f"-I POSTROUTING 1 {CORRECTED}",
        "-F NATFIX-2",
        "-X NATFIX-2",
    ]


def test_a_rule_that_is_gone_refuses_the_plan() -> None:
    with pytest.raises(ConflictError, match="the rule is no longer there: -A POSTROUTING -s"):
        script(Plan((SWAP,)), CORRECTED)
    with pytest.raises(ConflictError):
        script(Plan((Edit(Rule("GONE", BROAD), Rule("GONE", CORRECTED)),)), BROAD)


def test_rules_that_come_back_take_their_numbers_as_far_as_the_chain_is_long() -> None:
    inserts = tuple(Rule("POSTROUTING", f"-o tun{number} -j ACCEPT", number=number) for number in (0, 2, 7, 8))
    assert script(Plan(inserts=inserts), "-j LOG") == [
        "-I POSTROUTING 1 -o tun0 -j ACCEPT",
        "-I POSTROUTING 2 -o tun2 -j ACCEPT",
        "-I POSTROUTING 4 -o tun7 -j ACCEPT",
        "-I POSTROUTING 5 -o tun8 -j ACCEPT",
    ]


def test_rules_come_back_after_the_edits_of_the_same_chain() -> None:
    back = Rule("POSTROUTING", "-j LOG", number=9)
    assert script(Plan((SWAP,), inserts=(back,)), CORRECTED, BROAD)[-1] == "-I POSTROUTING 2 -j LOG"
