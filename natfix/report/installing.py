"""What installing units did, or would do, as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.report.changes import ChangeResult
from natfix.report.lines import Line, diff_lines


def installing_lines(result: ChangeResult) -> Iterator[Line]:
    """What ``natfix install`` or ``natfix uninstall`` did, or would do."""
    for change in result.changes:
        yield from diff_lines(change.diff)
    if result.changes:
        yield Line()
    yield from (Line(f"note: {note}", "warn") for note in result.notes)
    yield _outcome(result)


def _outcome(result: ChangeResult) -> Line:
    places = ", ".join(change.place for change in result.changes)
    if result.done:
        done = {"install": "installed and started", "uninstall": "uninstalled"}[result.verb]
        return Line(f"{done}: {places or 'no file had to change'}", "good")
    if result.changes:
        return Line(f"natfix {result.verb} would change {places}", "warn")
    return Line("nothing to do")
