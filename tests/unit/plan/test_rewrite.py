"""natfix/plan/rewrite.py: a plan applied to a text."""

import pytest

from natfix.errors import ConflictError
from natfix.plan.edit import Edit, Plan
from natfix.plan.rewrite import rewrite
from natfix.ruleset import Rule, Ruleset, parse, render, same_meaning
from tests.unit.audit.subjects import BROAD, CORRECTED, ruleset

SWAP = Edit(Rule("POSTROUTING", BROAD), Rule("POSTROUTING", CORRECTED))


def lines(before: Ruleset, plan: Plan, *, add: bool = False) -> list[str]:
    return list(rewrite(before, before.tables[0], plan, same=same_meaning, add=add).lines)


def specs(before: Ruleset, plan: Plan) -> list[str]:
    return [line.removeprefix("-A POSTROUTING ") for line in lines(before, plan) if line.startswith("-A POSTROUTING")]


def test_only_the_line_of_the_rule_changes_and_its_counters_stay() -> None:
    text = f"# mine\n*nat\n:POSTROUTING ACCEPT [7:8]\n[3:180] -A POSTROUTING {BROAD}\nCOMMIT\n# end"
    after = rewrite(parse(text.encode(), "x"), parse(text.encode(), "x").tables[0], Plan((SWAP,)))
    assert render(after).decode() == text.replace(BROAD, CORRECTED)


def test_line_endings_are_those_of_the_table() -> None:
    before = ruleset(BROAD, ending="\r\n")
    after = render(rewrite(before, before.tables[0], Plan((SWAP,), {"NATFIX-1": ("-j MASQUERADE",)})))
    assert after.count(b"\r\n") == after.count(b"\n") == 6


def test_one_of_several_copies_stays_and_a_rule_that_is_there_already_is_not_doubled() -> None:
    assert specs(ruleset(BROAD, "-j LOG", BROAD), Plan((SWAP,))) == [CORRECTED, "-j LOG"]
    assert specs(ruleset(BROAD, "-j LOG", CORRECTED), Plan((SWAP,))) == ["-j LOG", CORRECTED]


def test_a_later_edit_sees_what_an_earlier_one_did() -> None:
    other = Edit(Rule("POSTROUTING", "-j LOG"), Rule("POSTROUTING", CORRECTED), kept=True)
    assert specs(ruleset(BROAD, "-j LOG"), Plan((SWAP, other))) == [CORRECTED]
    back = Edit(Rule("POSTROUTING", CORRECTED), Rule("POSTROUTING", "-j ACCEPT"))
    assert specs(ruleset(BROAD, "-j LOG"), Plan((SWAP, back))) == ["-j ACCEPT", "-j LOG"]


def test_a_rule_that_is_gone_is_a_conflict_unless_the_new_one_stands_there() -> None:
    with pytest.raises(ConflictError, match=r"rules\.v4: the rule is not there: -A POSTROUTING -s"):
        specs(ruleset("-j LOG"), Plan((SWAP,)))
    assert specs(ruleset("-j LOG", CORRECTED), Plan((SWAP,))) == ["-j LOG", CORRECTED]


def test_a_rule_that_is_added_comes_first_in_its_chain() -> None:
    added = lines(ruleset("-j LOG"), Plan((SWAP,)), add=True)
    assert added == ["*nat", ":POSTROUTING ACCEPT [0:0]", f"-A POSTROUTING {CORRECTED}", "-A POSTROUTING -j LOG", "COMMIT", ""]


@pytest.mark.parametrize(("chain", "policy"), [("POSTROUTING", "ACCEPT"), ("CNI-1", "-")])
def test_a_rule_that_is_added_brings_its_chain_along(chain: str, policy: str) -> None:
    before = parse(b"*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j ACCEPT\nCOMMIT\n", "x")
    swap = Edit(Rule(chain, BROAD), Rule(chain, CORRECTED))
    assert lines(before, Plan((swap,)), add=True) == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        f":{chain} {policy} [0:0]",
        "-A PREROUTING -j ACCEPT",
        f"-A {chain} {CORRECTED}",
        "COMMIT",
        "",
    ]


def test_added_rules_can_be_replaced_and_taken_away_again() -> None:
    again = Edit(Rule("POSTROUTING", CORRECTED), Rule("POSTROUTING", "-j ACCEPT"))
    plan = Plan((SWAP, again, Edit(Rule("POSTROUTING", "-j ACCEPT"), Rule("POSTROUTING", "-j LOG"))))
    assert lines(ruleset("-j LOG"), plan, add=True) == list(ruleset("-j LOG").lines)


def test_own_chains_are_declared_in_order_behind_the_others() -> None:
    plan = Plan(chains={"NATFIX-1": ("-j RETURN", "-j MASQUERADE"), "NATFIX-2": ("-j MASQUERADE",)})
    assert lines(ruleset("-j LOG"), plan) == [
        "*nat",
        ":POSTROUTING ACCEPT [0:0]",
        ":NATFIX-1 - [0:0]",
        ":NATFIX-2 - [0:0]",
        "-A POSTROUTING -j LOG",
        "-A NATFIX-1 -j RETURN",
        "-A NATFIX-1 -j MASQUERADE",
        "-A NATFIX-2 -j MASQUERADE",
        "COMMIT",
        "",
    ]


def test_an_own_chain_changes_at_its_place_and_goes_with_its_declaration() -> None:
    before = ruleset("-j LOG", chains={"NATFIX-1": ["-j RETURN", "-j MASQUERADE"], "ZZ": ["-j RETURN"]})
    changed = lines(before, Plan(chains={"NATFIX-1": ("-j MASQUERADE",)}))
    assert changed[4:] == ["-A POSTROUTING -j LOG", "-A NATFIX-1 -j MASQUERADE", "-A ZZ -j RETURN", "COMMIT", ""]
    gone = lines(before, Plan(chains={"NATFIX-1": ()}))
    assert gone == list(ruleset("-j LOG", chains={"ZZ": ["-j RETURN"]}).lines)
    assert lines(before, Plan(chains={"NATFIX-9": ()})) == list(before.lines)


def test_rules_that_come_back_take_their_numbers() -> None:
    inserts = tuple(Rule("POSTROUTING", f"-o tun{number} -j ACCEPT", number=number) for number in (1, 2, 9))
    assert specs(ruleset("-j LOG", "-j ACCEPT"), Plan(inserts=inserts)) == [
        "-o tun1 -j ACCEPT",
        "-o tun2 -j ACCEPT",
        "-j LOG",
        "-j ACCEPT",
        "-o tun9 -j ACCEPT",
    ]


def test_a_rule_can_come_back_before_one_that_came_back() -> None:
    inserts = tuple(Rule("POSTROUTING", f"-o tun{number} -j ACCEPT", number=1) for number in (1, 2))
    assert specs(ruleset("-j LOG"), Plan(inserts=inserts)) == ["-o tun2 -j ACCEPT", "-o tun1 -j ACCEPT", "-j LOG"]
