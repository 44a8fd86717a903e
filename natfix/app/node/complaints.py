"""What is in the way of being reached: told when it changes, and not each time it is met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from natfix.app.node.ports import Failure
from natfix.app.node.voice import Voice, describe
from natfix.routing.state import Route
from natfix.routing.subnet import Subnet
from natfix.routing.union import place


class Complaints:
    """The peers that no route can lead to, and the operations that the kernel refuses.

    Args:
        voice: is told.

    Attributes:
        refused: the operations that the last look could not do.
    """

    def __init__(self, voice: Voice) -> None:
        self.refused: Sequence[Failure] = ()
        self._voice = voice
        self._findings: dict[Subnet, str] = {}
        self._told: frozenset[str] = frozenset()
        self._in_the_way: frozenset[Route] = frozenset()

    def __len__(self) -> int:
        """How many peers no route can lead to."""
        return len(self._findings)

    @property
    def lacking(self) -> int:
        """How many entries the kernel does not take."""
        return len({place(one.operation.entry) for one in self.refused if one.operation.put})

    @property
    def obstructing(self) -> int:
        """How many of somebody else's routes stand where wanted ones should be."""
        return len(self._in_the_way)

    def found(self, peer: Subnet, finding: object | None) -> None:
        """A peer was judged: why no route can lead to it, or None."""
        if finding is None:
            self._findings.pop(peer, None)
        else:
            self._findings[peer] = str(finding)

    def tell(self) -> None:
        """Tell what is new."""
        found = frozenset(self._findings.values())
        if found - self._told:
            self._voice.unreachable(found - self._told)
        elif self._told and not found:
            self._voice.reachable()
        self._told = found

    def refuse(self, failures: Sequence[Failure], *, whole: bool) -> None:
        """The kernel refused operations.

        Args:
            failures: them; none when it refused none.
            whole: whether a look found them, so that there are no others.
        """
        known = {place(one.operation.entry) for one in self.refused}
        if any(place(one.operation.entry) not in known for one in failures):
            self._voice.refused(failures)
        elif whole and known and not failures:
            self._voice.accepted()
        if whole or failures:
            self.refused = failures if whole else (*self.refused, *failures)

    def obstructed(self, routes: Iterable[Route]) -> None:
        """Somebody else's routes are where wanted ones should be; they stay, and the peers behind them are not reached."""
        found = frozenset(routes)
        if found - self._in_the_way:
            self._voice.obstructed(sorted(map(describe, found - self._in_the_way)))
        self._in_the_way = found
