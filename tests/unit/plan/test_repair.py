"""natfix/plan/repair.py: from findings to the smallest plan that ends them."""

import pytest

from natfix.audit import Subject, audit_table
from natfix.audit.rulefile import FixKind
from natfix.errors import NatfixError
from natfix.plan.edit import Edit, Plan, own_chain_name
from natfix.plan.repair import repair
from natfix.ruleset import Rule
from tests.unit.audit.subjects import BROAD, CORRECTED, kind, subject

EXCLUDE = kind(fix="exclude-cluster")
DELETE = kind("broad-beside-corrected", "delete")


def rule(spec: str) -> Rule:
    return Rule("POSTROUTING", spec)


def plan_for(looked: Subject) -> Plan:
    return repair(looked, audit_table(looked, [EXCLUDE, DELETE]))


def test_a_broad_rule_is_replaced_by_its_corrected_form() -> None:
    assert plan_for(subject(BROAD)) == Plan((Edit(rule(BROAD), rule(CORRECTED)),))


def test_a_broad_rule_whose_corrected_form_stands_there_goes() -> None:
    for rules in ([BROAD, CORRECTED], [CORRECTED, BROAD]):
        assert plan_for(subject(*rules)) == Plan((Edit(rule(BROAD), rule(CORRECTED), kept=True),))


@pytest.mark.parametrize("fix", ["none", "exclude-cluster"])
def test_what_has_no_fix_or_is_only_possible_is_left_alone(fix: FixKind) -> None:
    doubt = [] if fix == "none" else ["-m set --match-set cluster dst -j ACCEPT"]
    looked = subject(*doubt, BROAD)
    findings = audit_table(looked, [kind(fix=fix)])
    assert len(findings) == 1
    assert not repair(looked, findings)


def test_copies_are_one_edit_that_remembers_their_places() -> None:
    (edit,) = plan_for(subject(BROAD, "-j ACCEPT -o tun0", BROAD, BROAD)).edits
    assert (edit.old.number, edit.copies, edit.kept) == (1, (3, 4), False)


def test_two_rules_with_one_corrected_form_bring_it_once() -> None:
    looked = subject(BROAD, CORRECTED, cluster=["172.6.0.0/15"])
    grown = rule(CORRECTED.replace("172.7.0.0/16", "172.6.0.0/15"))
    assert plan_for(looked).edits == (Edit(rule(BROAD), grown), Edit(rule(CORRECTED), grown, kept=True))


def test_edits_stand_in_the_order_of_the_ruleset() -> None:
    other = "-s 172.7.121.0/24 ! -o br-1 -j MASQUERADE"
    looked = subject(other, BROAD)
    findings = audit_table(looked, [EXCLUDE])
    assert [edit.old.spec for edit in repair(looked, reversed(findings)).edits] == [other, BROAD]


def test_an_own_chain_that_holds_what_it_should_is_no_change() -> None:
    cluster = ["172.7.0.0/16", "172.9.0.0/16"]
    specs = ("-d 172.7.0.0/16 -j RETURN", "-d 172.9.0.0/16 -j RETURN", "-j MASQUERADE")
    name = own_chain_name(specs)
    jump = BROAD.replace("MASQUERADE", name)
    again = plan_for(subject(BROAD, jump, cluster=cluster, chains={name: specs}))
    assert again == Plan((Edit(rule(BROAD), rule(jump), kept=True),))
    first = plan_for(subject(BROAD, cluster=cluster))
    assert first == Plan((Edit(rule(BROAD), rule(jump)),), {name: specs})


def test_an_own_chain_that_grows_remembers_what_it_held() -> None:
    looked = subject(
        "-s 172.7.21.0/24 -j NATFIX-1",
        cluster=["172.7.0.0/16", "172.9.0.0/16"],
        chains={"NATFIX-1": ["-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE"]},
    )
    plan = plan_for(looked)
    assert plan.edits == ()
    assert plan.chains == {"NATFIX-1": ("-d 172.7.0.0/16 -j RETURN", "-d 172.9.0.0/16 -j RETURN", "-j MASQUERADE")}
    assert plan.before == {"NATFIX-1": ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE")}


def test_a_rule_without_a_corrected_form_is_never_deleted() -> None:
    looked = subject(BROAD)
    with pytest.raises(NatfixError, match="T001 wants this rule deleted, but its corrected form is not there: -A POSTROUTING"):
        repair(looked, audit_table(looked, [kind(fix="delete")]))
