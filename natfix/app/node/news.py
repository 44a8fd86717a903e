"""What the agent hears, from whom: everything comes through one queue to the one thread that does the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias

from natfix.app.node.ports import Disturbance
from natfix.app.node.tenancy import Held
from natfix.errors import NatfixError
from natfix.routing.lease import Change, Snapshot


@dataclass(frozen=True, slots=True)
class Stop:
    """The user wants the agent to end."""


@dataclass(frozen=True, slots=True)
class Answered:
    """The lease store answered, at first or again.

    Attributes:
        snapshot: all it holds.
        config: the network's configuration as it is written; None when there is none.
    """

    snapshot: Snapshot
    config: str | None


@dataclass(frozen=True, slots=True)
class Changed:
    """Leases changed."""

    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Away:
    """The lease store does not answer; it is asked again and again."""

    why: NatfixError


@dataclass(frozen=True, slots=True)
class Disturbed:
    """Somebody else changed what the kernel forwards by, or the kernel did."""

    disturbances: Sequence[Disturbance]


@dataclass(frozen=True, slots=True)
class Written:
    """What became of the attempt to hold the lease: how it is held now, or why not."""

    outcome: Held | NatfixError


@dataclass(frozen=True, slots=True)
class Broken:
    """A thread ended with a defect of natfix; the agent must not go on half deaf."""

    defect: Exception


News: TypeAlias = Stop | Answered | Changed | Away | Disturbed | Written | Broken


class Inbox:
    """The queue; anybody may put something in, signal handlers too."""

    def __init__(self) -> None:
        # SimpleQueue.put may interrupt itself, which a signal handler does (queue, "reentrant").
        self._queue: SimpleQueue[News] = SimpleQueue()

    def put(self, news: News) -> None:
        """Hand something to the agent."""
        self._queue.put(news)

    def take(self, seconds: float) -> tuple[News, ...]:
        """Wait for news, *seconds* at most; give all there are, in their order."""
        found: list[News] = []
        try:
            found.append(self._queue.get(timeout=max(seconds, 0.0)))
            while True:
                found.append(self._queue.get_nowait())
        except Empty:
            return tuple(found)
