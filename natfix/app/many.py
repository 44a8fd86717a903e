"""Look at many sources, several at a time, of which one that cannot be read does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

from natfix.app.check import summed_up
from natfix.audit import AuditRule
from natfix.errors import NatfixError
from natfix.report.gathered import Unread, pictured
from natfix.report.model import CheckedTable, CheckResult

Thing = TypeVar("Thing")
Made = TypeVar("Made")


class Workers(Protocol):
    """Does the same work on many things, several at a time where that pays."""

    def each(self, work: Callable[[Thing], Made], things: Sequence[Thing]) -> Iterator[Made]:
        """Give what *work* makes of each thing, in the order of the things.

        Args:
            work: may be done in another process, so that nothing but what it returns comes back.
            things: what to do it on.

        Raises:
            HostError: a process that did the work was ended by somebody, as by a kernel without memory.
            Exception: whatever *work* raises, for the first thing on which it does.
        """
        ...


def check_many(
    sources: Sequence[str], look: Callable[[str], CheckResult], workers: Workers, told: Callable[[], None] = lambda: None
) -> CheckResult:
    """Look at every source and put together what was found.

    Args:
        sources: their names.
        look: reads and audits one of them; raises NatfixError for one that it cannot read.
        workers: who does it.
        told: called for each source that was looked at.

    Raises:
        NatfixError: there is one source, and it cannot be read; or no cluster of any family is known.
        HostError: a process that looked was ended by somebody.
    """
    if len(sources) == 1:
        return summed_up([look(sources[0])])
    results: list[CheckResult] = []
    unread: list[Unread] = []
    empty: list[str] = []
    kinds: dict[str, AuditRule] = {}
    for source, made in zip(sources, workers.each(partial(_tried, look), sources), strict=True):
        if isinstance(made, Unread):
            unread.append(made)
        else:
            results.append(_sharing(made, kinds))
            if not made.tables:
                empty.append(source)
        told()
    return replace(summed_up(results, unread), empty=tuple(empty))


def illustrated(result: CheckResult, look: Callable[[str], CheckResult]) -> CheckResult:
    """The result of many sources with the pictures that a page shows: the few sources that they are of are looked at again.

    So pictures of a thousand hosts are neither laid out nor kept. A source that became another in between gets none.

    Args:
        result: without pictures; what a baseline knows is left out of it already.
        look: reads and audits one source, with pictures.
    """
    again: dict[str, Iterator[CheckedTable]] = {}
    for source in dict.fromkeys(place.table.origin for place in pictured(result)):
        looked = _tried(look, source)
        again[source] = iter(() if isinstance(looked, Unread) else looked.tables)
    tables = (_charted(table, next(again.get(table.origin, iter(())), None)) for table in result.tables)
    return replace(result, tables=tuple(tables))


def _charted(table: CheckedTable, again: CheckedTable | None) -> CheckedTable:
    if again is None:
        return table
    charts = list(zip(again.findings, again.charts, strict=True))
    found = (next((chart for other, chart in charts if other == finding), None) for finding in table.findings)
    return replace(table, charts=tuple(found))


def _sharing(result: CheckResult, kinds: dict[str, AuditRule]) -> CheckResult:
    """The same with one object for each audit rule: what comes from another process brings its own copy of all its words."""
    tables = (
        replace(table, findings=tuple(replace(each, kind=kinds.setdefault(each.kind.id, each.kind)) for each in table.findings))
        for table in result.tables
    )
    return replace(result, tables=tuple(tables))


def _tried(look: Callable[[str], CheckResult], source: str) -> CheckResult | Unread:
    try:
        return look(source)
    except NatfixError as error:
        return Unread.of(source, error)
