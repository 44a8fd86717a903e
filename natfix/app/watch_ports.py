"""What the watcher needs of the machine beside natfix.app.ports: what happened, whom to tell, and cheap looks.

Each has a real implementation in natfix/host/watch and an in-memory twin in natfix/host/memory/watch.py.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from natfix.app.ports import RulesetStore, Variant

Reason: TypeAlias = Literal["commit", "lock", "hint", "overrun", "reload", "stop"]
Level: TypeAlias = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Writer:
    """Who changed rules, as far as could be seen while it still lived.

    Attributes:
        pid: its number.
        command: the kernel's short name of it: ``iptables``.
        arguments: its command line, words joined by blanks; empty when it had ended.
        parent: pid of what started it; 0 when that is not known.
        parent_arguments: the command line of that.
    """

    pid: int
    command: str
    arguments: str = ""
    parent: int = 0
    parent_arguments: str = ""

    @property
    def origin(self) -> str:
        """What is the same each time the same program writes: the command line of its parent; empty when it was not seen."""
        return self.parent_arguments

    def __str__(self) -> str:
        """Spell it for people: ``iptables (pid 812), started by bash fight.sh (pid 800)``."""
        started = f", started by {self.parent_arguments} (pid {self.parent})" if self.parent_arguments else ""
        return f"{self.command or 'a process'} (pid {self.pid}){started}"


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened after which the rules may be others.

    Attributes:
        reason: ``commit`` (nft told it), ``lock`` (somebody let the xtables lock go), ``hint`` (a file that goes with rules
            came or went), ``overrun`` (so much happened that some of it was lost), ``reload``, ``stop`` (the user asks).
        at: when natfix heard of it, in seconds of a clock that never goes back.
        variant: the backend that may have changed; None for any.
        generation: number of the nft ruleset after it; 0 when there is none.
        writer: who did it, when that is known.
        detail: the file, for a hint.
    """

    reason: Reason
    at: float = 0.0
    variant: Variant | None = None
    generation: int = 0
    writer: Writer | None = None
    detail: str = ""


class ChangeEvents(Protocol):
    """What happens on the host, and what the user asks a running natfix for."""

    def wait(self, seconds: float) -> Sequence[Event]:
        """Sleep until something happens, or for *seconds*; give what happened, oldest first."""
        ...

    def drain(self) -> Sequence[Event]:
        """Give what has happened since, without waiting.

        Whoever drains and then looks sees in the rules everything that these events were about. So natfix's own writes are
        drained with them and wake nobody, and nothing that came in between is lost.
        """
        ...


class WatchedStore(RulesetStore, Protocol):
    """A nat table that is looked at again and again."""

    def stamp(self) -> int | None:
        """A number that is another one after each change, at the cost of microseconds; None where there is no such number."""
        ...


class WatchedTables(Protocol):
    """The nat tables of a host, of which new ones can appear."""

    def active(self, variants: Collection[Variant] = ("nft", "legacy")) -> Iterator[WatchedStore]:
        """Those of some variants that are in the kernel when their turn comes; always the same objects.

        Raises:
            HostError: no rights.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """Something the watcher tells.

    Attributes:
        what: ``started``, ``corrected``, ``fight``, ``calm``, ``left``, ``resumed``, ``saved``, ``guarded``, ``refused``,
            ``lost``, ``reloaded`` or ``stopped``.
        message: it for people, in a line.
        level: how much it matters.
        fields: it for programs: JSON types.
    """

    what: str
    message: str
    level: Level = "info"
    fields: Mapping[str, Any] = field(default_factory=dict)


class Chronicle(Protocol):
    """Where the watcher tells what it does; telling never fails, for no correction may hang on a full journal."""

    def tell(self, entry: Entry) -> None:
        """Write one entry."""
        ...


class Notifier(Protocol):
    """The service manager that started natfix, if one did."""

    @property
    def patience(self) -> float | None:
        """Seconds after which it takes natfix for dead unless told otherwise; None when it does not care."""
        ...

    def ready(self, status: str) -> None:
        """Say that the host is right, or as right as natfix can make it."""
        ...

    def status(self, status: str) -> None:
        """Say in a line what holds."""
        ...

    def reloading(self) -> None:
        """Say that the settings are being read again; ready ends it."""
        ...

    def alive(self) -> None:
        """Say that natfix lives."""
        ...

    def stopping(self) -> None:
        """Say that natfix ends."""
        ...
