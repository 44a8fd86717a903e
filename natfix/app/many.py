"""Look at many sources, several at a time, of which one that cannot be read does not stop the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from natfix.app.check import summed_up
from natfix.errors import NatfixError
from natfix.report.gathered import Unread
from natfix.report.model import CheckResult

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
    for made in workers.each(partial(_tried, look), sources):
        if isinstance(made, Unread):
            unread.append(made)
        else:
            results.append(made)
        told()
    return summed_up(results, unread)


def _tried(look: Callable[[str], CheckResult], source: str) -> CheckResult | Unread:
    try:
        return look(source)
    except NatfixError as error:
        return Unread.of(source, error)
