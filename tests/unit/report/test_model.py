"""natfix/report/model.py: what a check found, counted."""

import pytest

from natfix.audit import Severity
from natfix.report.model import CheckedTable, CheckResult
from natfix.ruleset import Family
from tests.unit.report.results import CLUSTER, GUESS, checked, crowd, looked_at, result, simple

NOTHING = CheckResult((CheckedTable("x", live=False, family=Family.IPV4, rules=0, cluster=None),))


def test_findings_are_those_of_all_tables() -> None:
    both = CheckResult((checked(live=True), checked(live=False)))
    assert both.findings == (*checked(live=True).findings, *checked(live=False).findings)
    assert NOTHING.findings == ()


def test_clusters_are_named_once() -> None:
    assert CheckResult((checked(live=True), *NOTHING.tables, *result().tables)).clusters == (CLUSTER, GUESS)


def test_severities_are_counted_worst_first() -> None:
    assert list(result(live=True).counts()) == [(Severity.HIGH, 4), (Severity.MEDIUM, 1), (Severity.LOW, 1)]
    assert list(NOTHING.counts()) == []


@pytest.mark.parametrize("severity", list(Severity))
def test_a_result_is_at_least_as_bad_as_its_worst_finding(severity: Severity) -> None:
    assert result().at_least(severity)
    assert not NOTHING.at_least(severity)


def test_a_low_finding_is_not_at_least_medium() -> None:
    table = checked(live=True)
    low = [finding for finding in table.findings if finding.kind.severity is Severity.LOW]
    only = CheckResult((CheckedTable("x", live=True, family=Family.IPV4, rules=1, cluster=CLUSTER, findings=tuple(low)),))
    assert [only.at_least(severity) for severity in (Severity.LOW, Severity.MEDIUM)] == [True, False]


def test_a_place_knows_its_table_and_its_picture() -> None:
    (place,) = looked_at(simple()).places
    assert place.chart is place.table.charts[0]
    (plain,) = looked_at(simple(), charts=False).places
    assert plain.chart is None


def test_sources_are_named_once_and_unread_ones_last() -> None:
    assert crowd(2).sources == ("h1.save", "h2.save", "good.save", "broken,1.save")
    assert result().sources == ("dump.save", "ip6tables-nft")
