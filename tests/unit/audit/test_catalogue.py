"""natfix/audit/catalogue.py: audit rules and suppressions decide together, whoever audits with them."""

from dataclasses import replace
from datetime import date

from natfix.audit import Catalogue, Severity, Suppression, Suppressions, audit, audit_table, faults
from tests.unit.audit.subjects import BROAD, kind, subject

DAY = date(2026, 11, 23)
DECIDED = Suppression("T001", "known", DAY, rule=BROAD)
OTHER = "-s 172.7.22.0/24 ! -o br-1 -j MASQUERADE"


def test_what_is_suppressed_is_no_finding_and_is_told_apart() -> None:
    catalogue = Catalogue((kind(),), Suppressions((DECIDED,), DAY))
    found = audit(subject(BROAD, OTHER), catalogue)
    assert [each.rule.spec for each in found.findings] == [OTHER]
    assert [(each.rule.spec, decision) for each, decision in found.suppressed] == [(BROAD, DECIDED)]
    assert audit_table(subject(BROAD, OTHER), catalogue) == found.findings


def test_without_suppressions_everything_is_found() -> None:
    assert len(audit(subject(BROAD, OTHER), Catalogue((kind(),))).findings) == 2
    assert len(audit(subject(BROAD, OTHER), [kind()]).findings) == 2
    over = Suppressions((DECIDED,), date(2027, 1, 1))
    assert len(audit(subject(BROAD, OTHER), Catalogue((kind(),), over)).findings) == 2


def test_a_catalogue_is_a_sequence_of_its_rules() -> None:
    rules = (kind(), replace(kind(), id="T002"))
    catalogue = Catalogue(rules)
    assert (len(catalogue), catalogue[1], catalogue[:1], tuple(catalogue)) == (2, rules[1], rules[:1], rules)


def test_advice_is_left_to_check_and_suppressions_stay() -> None:
    advice = replace(kind(), id="T002", severity=Severity.INFO)
    catalogue = Catalogue((kind(), advice), Suppressions((DECIDED,), DAY))
    left = faults(catalogue)
    assert isinstance(left, Catalogue)
    assert (left.rules, left.suppressions) == ((kind(),), catalogue.suppressions)
    assert faults([kind(), advice]) == (kind(),)
