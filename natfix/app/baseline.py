"""Begin to look at a host with history: what was found on the first day is known, and only what is new is told."""

from __future__ import annotations

from dataclasses import replace

from natfix.audit.baseline import Baseline, Known
from natfix.report.model import CheckedTable, CheckResult


def baseline_of(result: CheckResult) -> Baseline:
    """Know every finding of *result*."""
    return Baseline.of((finding, table.family) for table in result.tables for finding in table.findings)


def without_known(result: CheckResult, baseline: Baseline, source: str) -> CheckResult:
    """Leave out what *baseline* knows, and say how much that is and what of it is gone.

    Args:
        result: of a check.
        baseline: what is known.
        source: where it was read from, for the notes.
    """
    met = baseline_of(result).known & baseline.known
    notes = list(result.notes)
    tables = tuple(_without(table, baseline) for table in result.tables)
    left_out = len(result.findings) - sum(len(table.findings) for table in tables)
    if left_out:
        notes.append(f"{left_out} known finding{'s' if left_out > 1 else ''} left out ({source})")
    if gone := len(baseline.known - met):
        notes.append(f"{gone} of {len(baseline.known)} known findings are gone; write {source} anew")
    return replace(result, tables=tables, notes=tuple(notes))


def _without(table: CheckedTable, baseline: Baseline) -> CheckedTable:
    kept = [number for number, each in enumerate(table.findings) if Known.of(each, table.family) not in baseline.known]
    findings = tuple(table.findings[number] for number in kept)
    charts = tuple(table.charts[number] for number in kept) if table.charts else ()
    known = table.known + len(table.findings) - len(findings)
    return replace(table, findings=findings, charts=charts, known=known)
