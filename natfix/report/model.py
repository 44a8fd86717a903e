"""What the use cases found and did, as values that every output is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from natfix.audit import Finding, Severity
from natfix.ruleset import Family, Network


@dataclass(frozen=True, slots=True)
class ClusterOrigin:
    """A cluster's networks and who says so.

    Attributes:
        networks: of one family.
        origin: for people: ``FLANNEL_NETWORK in /run/flannel/subnet.env``.
        guessed: whether nobody says so and natfix concludes it.
    """

    networks: tuple[Network, ...]
    origin: str
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """One nat table that was looked at.

    Attributes:
        source: a file's name, ``-``, or the backend (``iptables-nft``).
        live: whether it is the table of this host's kernel.
        family: IPv4 or IPv6.
        rules: how many rules POSTROUTING reaches, itself included.
        cluster: the cluster it was judged by; None when no cluster of its family is known.
        findings: worst first.
    """

    source: str
    live: bool
    family: Family
    rules: int
    cluster: ClusterOrigin | None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything one check found.

    Attributes:
        tables: in the order looked at.
        notes: what else the reader should know.
    """

    tables: tuple[CheckedTable, ...]
    notes: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all tables."""
        return tuple(finding for table in self.tables for finding in table.findings)

    @property
    def clusters(self) -> tuple[ClusterOrigin, ...]:
        """The clusters the tables were judged by, each once."""
        return tuple(dict.fromkeys(table.cluster for table in self.tables if table.cluster is not None))

    def at_least(self, severity: Severity) -> bool:
        """Whether there is a finding of *severity* or worse."""
        return any(finding.kind.severity >= severity for finding in self.findings)

    def counts(self) -> Iterator[tuple[Severity, int]]:
        """How many findings there are of each severity, worst first; severities without any are left out."""
        for severity in reversed(Severity):
            number = sum(finding.kind.severity is severity for finding in self.findings)
            if number:
                yield severity, number


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


@dataclass(frozen=True, slots=True)
class PastChange:
    """One entry of the history.

    Attributes:
        id: names it.
        at: when, ISO 8601 in UTC.
        version: the natfix that made it.
        verb: ``apply`` or ``persist``.
        state: ``done``, ``started`` (natfix died on the way), ``waiting`` (for ``natfix confirm``), ``undone``, ``rolled back``.
        places: the backends and files it changed.
    """

    id: str
    at: str
    version: str
    verb: str
    state: str
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlaceStatus:
    """How one place is.

    Attributes:
        place: a backend or a file's path.
        findings: how many findings a backend has; None for a file.
        right: whether it is as natfix wants it.
    """

    place: str
    findings: int | None
    right: bool


@dataclass(frozen=True, slots=True)
class Status:
    """What holds on a host.

    Attributes:
        places: the nat tables and the saved files.
        clusters: the clusters they are judged by.
        last: the newest change natfix made.
        waiting: changes that wait for a confirmation, or during which natfix died.
        notes: what else the reader should know.
    """

    places: tuple[PlaceStatus, ...]
    clusters: tuple[ClusterOrigin, ...] = ()
    last: PastChange | None = None
    waiting: tuple[PastChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether all is as it should be and nothing waits."""
        return all(place.right for place in self.places) and not self.waiting
