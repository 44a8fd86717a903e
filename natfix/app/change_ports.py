"""What a change needs of the machine beside natfix.app.ports: Protocols of few methods, with twins and tests as those have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from natfix.ruleset import Network


@dataclass(frozen=True, slots=True)
class Rewritten:
    """Which tracked connections still carry a rewrite that is no longer in the rules.

    Attributes:
        source: the local container subnet the connection came from.
        destinations: the networks its other end (after any DNAT) is in.
        excluded: networks inside *destinations* that do not count: the local subnets.
    """

    source: Network
    destinations: tuple[Network, ...]
    excluded: tuple[Network, ...] = ()


class Connections(Protocol):
    """The kernel's connection tracking table."""

    def forget(self, which: Iterable[Rewritten]) -> int:
        """Drop the entries that match any of *which* and whose source is rewritten.

        An entry matches when its original source is in ``source``, the source of its reply is in one of ``destinations`` and
        in none of ``excluded``, and the destination of its reply is not its original source.

        Returns:
            How many were dropped.

        Raises:
            HostError: no rights, or the kernel refused.
        """
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """What natfix remembers of one change, enough to undo it and nothing else.

    Attributes:
        id: ``20261122T233000Z-1``: sortable, unique on the host.
        data: what the use case stored, JSON types only.
    """

    id: str
    data: Mapping[str, Any] = field(default_factory=dict)


class History(Protocol):
    """The changes made on this host, oldest first."""

    def records(self) -> Sequence[Record]:
        """All of them, sorted by id.

        Raises:
            HostError: a record cannot be read; the message names its file.
        """
        ...

    def save(self, record: Record) -> None:
        """Store a record, or another state of one that is there; durable when this returns.

        Raises:
            HostError: it cannot be written.
        """
        ...

    def remove(self, id_: str) -> None:
        """Give up a record, whole or not at all; one that is not there is no error.

        Raises:
            HostError: it cannot be removed.
        """
        ...

    def stamp(self) -> object | None:
        """Something that is another one after each change of the history, at the cost of microseconds; None when unsure.

        Raises:
            HostError: it cannot be told.
        """
        ...


class Turnstile(Protocol):
    """One natfix at a time."""

    def hold(self) -> AbstractContextManager[None]:
        """Be the only natfix that changes something, until the context ends or the process dies.

        Raises:
            BusyError: somebody else was at work for too long; the message tells who (pid, command).
        """
        ...


class Watchdog(Protocol):
    """Something that undoes a change unless it is told not to, whatever becomes of this process."""

    def arm(self, change: str, seconds: float) -> None:
        """Start a process of its own session that undoes the change *change* after *seconds*, unless it was confirmed.

        When this returns it is running, and survives the end of this process, of its terminal and of its login session.

        Raises:
            HostError: it cannot be started.
        """
        ...

    def session(self) -> str:
        """A text that is the same for everything started from one login, and differs between logins."""
        ...
