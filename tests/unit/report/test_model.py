"""natfix/report/model.py: what a check found, counted."""

from dataclasses import replace

import pytest

from natfix.audit import Severity
from natfix.report.model import CheckedTable, CheckResult
from natfix.ruleset import Family
from tests.unit.report.results import CLUSTER, GUESS, checked, crowd, fleet, looked_at, result, simple

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


def test_a_host_that_a_file_tells_of_is_one_source_however_many_tables_it_has() -> None:
    held = fleet(4)
    second = replace(held.tables[0], source="host001.example.net.natfix: ip6tables-nft", family=Family.IPV6)
    both = CheckResult((held.tables[0], second))
    assert both.sources == ("host001.example.net.natfix",)
    assert both.groups[0].sources == 1
    assert not both.many
    assert fleet(12).many
    assert fleet(4).sources[-2:] == ("bare.natfix", "broken,1.save")
