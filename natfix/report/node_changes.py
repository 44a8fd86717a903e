"""What ``natfix node run --dry-run`` would do, and what ``natfix node clear`` did, as text for people."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.report.changes import ChangeResult
from natfix.report.lines import Line, diff_lines, shown


def node_lines(result: ChangeResult) -> Iterator[Line]:
    """What was changed, or would be."""
    for change in result.changes:
        yield from diff_lines(change.diff)
    if result.changes:
        yield Line()
    yield from (Line(f"note: {shown(note)}", "warn") for note in result.notes)
    places = ", ".join(dict.fromkeys(change.place for change in result.changes))
    if result.done:
        yield Line(f"cleared: {places}", "good")
    elif places:
        yield Line(f"natfix {result.verb} would change {places}", "warn")
    else:
        yield Line("nothing to do")
