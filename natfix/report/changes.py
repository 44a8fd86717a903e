"""What a command changed, or would change, and what holds now, as values that every output is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from natfix.audit import Finding
from natfix.report.model import ClusterOrigin


@dataclass(frozen=True, slots=True)
class Change:
    """One place that is, or would be, changed.

    Attributes:
        place: a backend (``iptables-nft``) or a file's path.
        diff: the lines of a unified diff.
        script: what iptables-restore is given; empty for a file.
    """

    place: str
    diff: tuple[str, ...]
    script: str = ""


@dataclass(frozen=True, slots=True)
class ChangeResult:
    """What a command changed, or would change.

    Attributes:
        verb: ``apply``, ``persist`` or ``undo``.
        done: whether it was done, or is only a plan.
        changes: the places; empty when nothing was to be done.
        id: names the change for ``natfix undo``; empty for a plan.
        connections: tracked connections that carried the old rewrite and were dropped.
        clusters: the clusters that decided.
        remaining: findings that natfix does not correct by itself.
        confirm_within: seconds in which ``natfix confirm`` must be said; 0 when it need not.
        notes: what else the reader should know.
        left: whether something wrong is left alone, as the notes tell.
        unproved: those of the notes that tell what could not be rehearsed.
    """

    verb: str
    done: bool
    changes: tuple[Change, ...] = ()
    id: str = ""
    connections: int = 0
    clusters: tuple[ClusterOrigin, ...] = ()
    remaining: tuple[Finding, ...] = ()
    confirm_within: float = 0
    notes: tuple[str, ...] = ()
    left: bool = False
    unproved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PastChange:
    """One entry of the history.

    Attributes:
        id: names it.
        at: when, ISO 8601 in UTC.
        version: the natfix that made it.
        verb: ``apply`` or ``persist``.
        state: ``done``, ``started`` (natfix died on the way), ``waiting`` (for a confirmation), ``undone``, ``rolled back``.
        places: the backends and files it changed.
    """

    id: str
    at: str
    version: str
    verb: str
    state: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """Something that natfix leaves alone by itself, because a person has undone its correction.

    Attributes:
        place: a backend or a file's path.
        rule: the rule in it, or ``:NAME`` for a chain of natfix's own; empty for a file.
        change: the change that was undone.
        since: when it was, ISO 8601 in UTC.
    """

    place: str
    rule: str
    change: str
    since: str

    def __str__(self) -> str:
        """Spell it for people: ``iptables-nft: -A POSTROUTING …``."""
        return f"{self.place}: {self.rule}" if self.rule else self.place


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """How one place is.

    Attributes:
        place: a backend or a file's path.
        findings: how many findings a backend has; None for a file.
        right: whether it is as natfix wants it.
        condition: how it is, in words; empty where that follows from the rest.
    """

    place: str
    findings: int | None
    right: bool
    condition: str = ""


@dataclass(frozen=True, slots=True)
class Watcher:
    """The `natfix watch` of a host.

    Attributes:
        pid: its process.
        alive: whether it still runs; False for one that ended without a word.
        since: when it was started, ISO 8601 in UTC.
        corrections: how many rules it corrected.
        last: the newest correction, with its time; empty when there was none.
        fights: for each rule that somebody keeps putting back who that is.
        refused: why its last look could not be finished; empty when it could.
        unsaved: why a file that is loaded at boot lacks a correction; empty when none does.
        unrecorded: why the history lacks a correction; empty when it lacks none.
        findings: how many findings its last look left.
        unguarded: why the guard that it shall turn on is not on; empty when it is, or none was asked for.
    """

    pid: int
    alive: bool
    since: str
    corrections: int = 0
    last: str = ""
    fights: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    unsaved: str = ""
    unrecorded: str = ""
    findings: int = 0
    unguarded: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What holds on a host.

    Attributes:
        places: the nat tables and the saved files.
        clusters: the clusters they are judged by.
        last: the newest change natfix made.
        waiting: changes that wait for a confirmation, or during which natfix died.
        notes: what else the reader should know.
        watcher: the `natfix watch` that keeps it so, if there is or was one.
        left: what natfix leaves alone by itself.
    """

    places: tuple[PlaceStatus, ...]
    clusters: tuple[ClusterOrigin, ...] = ()
    last: PastChange | None = None
    waiting: tuple[PastChange, ...] = ()
    notes: tuple[str, ...] = ()
    watcher: Watcher | None = None
    left: tuple[LeftAlone, ...] = ()

    @property
    def right(self) -> bool:
        """Whether all is as it should be and nothing waits."""
        return all(place.right for place in self.places) and not self.waiting
