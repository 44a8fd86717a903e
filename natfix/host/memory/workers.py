"""Workers that are this process alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from natfix.app.many import Made, Thing, Workers


class MemoryWorkers(Workers):
    """Does one thing after the other."""

    def each(self, work: Callable[[Thing], Made], things: Sequence[Thing]) -> Iterator[Made]:
        """Give what *work* makes of each thing."""
        return map(work, things)
