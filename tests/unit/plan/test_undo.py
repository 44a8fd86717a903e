"""natfix/plan/undo.py: the way back, as far as the change is still there."""

from natfix.plan.edit import Edit, Plan
from natfix.plan.undo import inverse
from natfix.ruleset import Rule, Table, same_meaning
from tests.unit.audit.subjects import BROAD, CORRECTED, subject


def rule(spec: str, number: int = 0) -> Rule:
    return Rule("POSTROUTING", spec, number=number)


SWAP = Edit(rule(BROAD, 1), rule(CORRECTED))
KEPT = Edit(rule(BROAD, 2), rule(CORRECTED), kept=True)
JUMP = Edit(rule(BROAD, 1), rule(BROAD.replace("MASQUERADE", "NATFIX-1")))
OWN = {"NATFIX-1": ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE")}


def table(*rules: str, **chains: list[str]) -> Table:
    return subject(*rules, chains={name.replace("_", "-"): specs for name, specs in chains.items()}).table


def test_a_swapped_rule_is_swapped_back() -> None:
    assert inverse(Plan((SWAP,)), table(CORRECTED)) == Plan((Edit(rule(CORRECTED), rule(BROAD)),))


def test_what_somebody_has_removed_since_stays_removed() -> None:
    assert not inverse(Plan((SWAP, KEPT)), table("-j LOG"))
    assert not inverse(Plan((SWAP, KEPT)), table(BROAD))


def test_a_broad_rule_that_is_back_by_itself_is_the_one_that_stays() -> None:
    (edit,) = inverse(Plan((SWAP,)), table(BROAD, CORRECTED)).edits
    assert (edit.old.number, edit.new.number) == (2, 1)
    assert not inverse(Plan((KEPT,)), table(BROAD, CORRECTED))


def test_a_deleted_rule_comes_back_at_its_number_beside_the_one_that_was_kept() -> None:
    plan = inverse(Plan((KEPT,)), table(CORRECTED))
    assert plan == Plan(inserts=(rule(BROAD),))
    assert plan.inserts[0].number == 2


def test_copies_come_back_from_the_top_down() -> None:
    plan = Plan((Edit(rule(BROAD, 1), rule(CORRECTED), copies=(3, 6)), Edit(rule("-j LOG", 5), rule(CORRECTED), kept=True)))
    back = inverse(plan, table(CORRECTED))
    assert back.edits == (Edit(rule(CORRECTED), rule(BROAD)),)
    assert [(each.number, each.spec) for each in back.inserts] == [(3, BROAD), (5, "-j LOG"), (6, BROAD)]


def test_rules_are_found_by_meaning_where_the_caller_says_so() -> None:
    other = "! -o docker0 -s 172.7.21.0/255.255.255.0 ! -d 172.7.0.0/16 -j MASQUERADE"
    assert not inverse(Plan((SWAP,)), table(other))
    assert inverse(Plan((SWAP,)), table(other), same=same_meaning) == Plan((Edit(rule(other), rule(BROAD)),))


def test_an_own_chain_goes_with_the_rule_that_led_to_it() -> None:
    back = inverse(Plan((JUMP,), OWN), table(JUMP.new.spec, NATFIX_1=["-j MASQUERADE"]))
    assert back == Plan((Edit(JUMP.new, JUMP.old),), {"NATFIX-1": ()})


def test_an_own_chain_that_another_rule_leads_to_stays() -> None:
    back = inverse(Plan((JUMP,), OWN), table(JUMP.new.spec, "-o eth0 -j NATFIX-1", NATFIX_1=["-j MASQUERADE"]))
    assert back.chains == {}


def test_an_own_chain_that_grew_shrinks_again_and_one_that_is_gone_stays_so() -> None:
    plan = Plan((), OWN, {"NATFIX-1": ("-j MASQUERADE",)})
    assert inverse(plan, table("-j NATFIX-1", NATFIX_1=["-j LOG"])) == Plan((), {"NATFIX-1": ("-j MASQUERADE",)})
    assert not inverse(plan, table("-j LOG"))


def test_a_chain_that_is_gone_holds_nothing_to_undo() -> None:
    assert not inverse(Plan((Edit(Rule("GONE", BROAD), Rule("GONE", CORRECTED)),)), table(BROAD))
