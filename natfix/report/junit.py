"""What a check found, as JUnit XML: a suite for each table, or of many sources for each kind of finding; what is found fails.

There is no standard; this is what Jenkins, GitLab, Azure and Gradle have in common: suites in order, counters, a class name
and a name for each test, a message and a text for each failure. No times, so that same input gives same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from natfix.audit import Finding, Severity
from natfix.report.gathered import Place, Unread
from natfix.report.lines import plain
from natfix.report.model import CheckedTable, CheckResult
from natfix.report.svg import printable
from natfix.report.text import count, finding_lines, place_of
from natfix.report.which import said

_FINE: Final = "no rule hides a container address"


def junit_text(result: CheckResult, threshold: Severity = Severity.LOW) -> str:
    """What a check found; findings at least as bad as *threshold* are failures, others are tests that passed with a word."""
    tests = len(result.unread) + sum(map(_tests, result.tables))
    failures = sum(finding.severity >= threshold for finding in result.findings)
    # What was skipped is counted for a suite, not for all of them: Jenkins' schema knows no such attribute there.
    head = f'<testsuites tests="{tests}" failures="{failures}" errors="{len(result.unread)}">'
    suites = _suites_of_many(result, threshold) if result.many else _suites(result, threshold)
    return "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *suites, *_errors(result), "</testsuites>", ""])


def _suites(result: CheckResult, threshold: Severity) -> Iterator[str]:
    places = iter(result.places)
    for table in result.tables:
        own = [next(places) for _ in table.findings]
        failures = sum(place.finding.severity >= threshold for place in own)
        counted = _counted(_tests(table), failures, 0, len(table.suppressed))
        yield f"  <testsuite{_named('name', _suite(table))}{counted}>"
        if not own and not table.suppressed:
            yield f"    <testcase{_named('classname', 'natfix')}{_named('name', _FINE)}/>"
        for place in own:
            yield from _case(place, threshold)
        yield from _skipped(table)
        yield "  </testsuite>"


def _suites_of_many(result: CheckResult, threshold: Severity) -> Iterator[str]:
    """A suite for each kind of finding, in which sources that are alike stand together; one for the sources without any."""
    for group in result.groups:
        cases = group.cases
        failures = sum(place.finding.severity >= threshold for place in group.places)
        name = f"{group.kind.id} {group.kind.name}"
        yield f"  <testsuite{_named('name', name)}{_counted(len(group.places), failures, 0)}>"
        for case in cases:
            for place in case.places:
                yield from _case(place, threshold)
        told = "\n".join(f"{count(case.sources, 'source')}: {case.shape}" for case in cases)
        yield f"    <system-out>{_escaped(told)}</system-out>"
        yield "  </testsuite>"
    fine = [table for table in result.tables if not table.findings and not table.suppressed]
    skipped = sum(len(table.suppressed) for table in result.tables)
    if fine or skipped:
        yield f"  <testsuite{_named('name', 'without findings')}{_counted(len(fine) + skipped, 0, 0, skipped)}>"
        for table in fine:
            yield f"    <testcase{_named('classname', 'natfix')}{_named('name', f'{_suite(table)}: {_FINE}')}/>"
        yield from (line for table in result.tables for line in _skipped(table))
        yield "  </testsuite>"


def _errors(result: CheckResult) -> Iterator[str]:
    for each in result.unread:
        yield f"  <testsuite{_named('name', each.source)}{_counted(1, 0, 1)}>"
        yield from _error(each)
        yield "  </testsuite>"


def _suite(table: CheckedTable) -> str:
    return f"{table.source} IPv{table.family.value} nat"


def _tests(table: CheckedTable) -> int:
    return max(1, len(table.findings) + len(table.suppressed))


def _called(finding: Finding, table: CheckedTable) -> str:
    return _named("classname", f"natfix.{finding.kind.id}") + _named("name", place_of(table, finding))


def _case(place: Place, threshold: Severity) -> Iterator[str]:
    finding = place.finding
    text = _escaped(plain(finding_lines(finding, place.table)))
    yield f"    <testcase{_called(finding, place.table)}>"
    if finding.severity >= threshold:
        kind = _named("type", f"{finding.severity} {finding.kind.name}") + _named("message", said(finding))
        yield f"      <failure{kind}>{text}</failure>"
    else:
        yield f"      <system-out>{text}</system-out>"
    yield "    </testcase>"


def _skipped(table: CheckedTable) -> Iterator[str]:
    for finding, decision in table.suppressed:
        yield f"    <testcase{_called(finding, table)}>"
        yield f"      <skipped{_named('message', f'suppressed: {decision.reason}')}/>"
        yield "    </testcase>"


def _error(each: Unread) -> Iterator[str]:
    yield f'    <testcase{_named("classname", "natfix")} name="can be read">'
    yield f'      <error type="unreadable"{_named("message", each.problem)}>{_escaped(str(each))}</error>'
    yield "    </testcase>"


def _counted(tests: int, failures: int, errors: int, skipped: int = 0) -> str:
    return f' tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'


def _named(name: str, value: str) -> str:
    return f" {name}={quoteattr(printable(value))}"


def _escaped(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))))
