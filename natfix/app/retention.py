"""How much of the history is kept: the newest changes, and of the older ones those that are still of use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from natfix.app.change_ports import History
from natfix.app.record import UNDOABLE, Journey, journeys
from natfix.errors import HostError

KEPT = 100


def prune(history: History, keep: int = KEPT) -> None:
    """Give up the records that are of no use any more; one that the disk will not let go stays until the next time.

    Args:
        history: where they are; nobody else changes it meanwhile.
        keep: how many of the newest stay whatever they are.

    Raises:
        HostError: a record cannot be read.
    """
    for journey in tuple(_useless(journeys(history), keep)):
        with contextlib.suppress(HostError):
            history.remove(journey.id)


def _useless(known: Sequence[Journey], keep: int) -> Iterator[Journey]:
    """The records beyond the newest *keep* that nobody needs.

    Needed is what waits, what is left alone since it was undone, and what can be undone, but for a correction of the kernel
    that was made again later in the same words: each start of Docker makes one, and undoing the newest undoes them all.
    """
    later: set[object] = set()
    for place, journey in enumerate(reversed(known)):
        words = _words(journey)
        repeated = words is not None and words in later
        if place >= keep and not journey.left and (journey.state not in UNDOABLE or (journey.state == "done" and repeated)):
            yield journey
        if journey.state == "done" and words is not None:
            later.add(words)


def _words(journey: Journey) -> object | None:
    """What a change of rules alone says; None for one of files or of the guard, which is never the same twice."""
    if journey.files or journey.guard is not None:
        return None
    return tuple(
        (each.backend, *((edit.old, edit.new, edit.kept) for edit in each.plan.edits), *sorted(each.plan.chains.items()))
        for each in journey.tables
    )
