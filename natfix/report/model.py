"""What a check found, as values that every output is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from natfix.audit import Finding, Severity, Suppression
from natfix.ruleset import Family, Network

if TYPE_CHECKING:  # Pictures are asked for rarely, and so are many sources.
    from natfix.report.chart import Chart
    from natfix.report.gathered import Group, Place, Unread

# Of more sources than this nobody reads every finding: what is alike is told once.
EACH: Final = 10


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
        source: a file's name, ``-``, the backend (``iptables-nft``), or both for a file that tells of a host.
        live: whether it is the table of a host's kernel, of this one or of one that was collected, and no text.
        family: IPv4 or IPv6.
        rules: how many rules POSTROUTING reaches, itself included.
        cluster: the cluster it was judged by; None when no cluster of its family is known.
        findings: worst first.
        subnets: the container subnets of this host that it was judged for.
        charts: for each finding its picture, or None for one without a packet; empty when nobody asked for pictures.
        suppressed: what was found and somebody decided to live with, each with that decision; in no other count.
        known: how many findings were left out because a baseline knows them.
        file: the file that tells of a host, whose tables share it; empty for what *source* names well enough.
    """

    source: str
    live: bool
    family: Family
    rules: int
    cluster: ClusterOrigin | None
    findings: tuple[Finding, ...] = ()
    subnets: tuple[Network, ...] = ()
    charts: tuple[Chart | None, ...] = ()
    suppressed: tuple[tuple[Finding, Suppression], ...] = ()
    known: int = 0
    file: str = ""

    @property
    def origin(self) -> str:
        """What somebody named, or the backend of this host: one for all tables of a host that a file tells of."""
        return self.file or self.source


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything one check found.

    Attributes:
        tables: in the order looked at.
        notes: what else the reader should know.
        unread: sources that could not be looked at.
        empty: sources of many in which there is no nat table.
    """

    tables: tuple[CheckedTable, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of all tables."""
        return tuple(finding for table in self.tables for finding in table.findings)

    @property
    def left_out(self) -> int:
        """How many findings are suppressed or known, and so not among the findings."""
        return sum(len(table.suppressed) + table.known for table in self.tables)

    @property
    def places(self) -> tuple[Place, ...]:
        """The findings of all tables, each with its table and its picture."""
        from natfix.report.gathered import Place  # noqa: PLC0415

        return tuple(
            Place(table, finding, table.charts[number] if table.charts else None)
            for table in self.tables
            for number, finding in enumerate(table.findings)
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The findings by their kind, the worst kind first, then by id."""
        from natfix.report.gathered import grouped  # noqa: PLC0415

        return grouped(self.places)

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source, in the order looked at; those without a nat table and those that could not be read come last."""
        unread = (each.source for each in self.unread)
        return tuple(dict.fromkeys([*(table.origin for table in self.tables), *self.empty, *unread]))

    @property
    def many(self) -> bool:
        """Whether there are so many sources that findings are told by what they have in common."""
        return len(self.sources) > EACH

    @property
    def clusters(self) -> tuple[ClusterOrigin, ...]:
        """The clusters the tables were judged by, each once."""
        return tuple(dict.fromkeys(table.cluster for table in self.tables if table.cluster is not None))

    def at_least(self, severity: Severity) -> bool:
        """Whether there is a finding of *severity* or worse."""
        return any(finding.severity >= severity for finding in self.findings)

    def counts(self) -> Iterator[tuple[Severity, int]]:
        """How many findings there are of each severity, worst first; severities without any are left out."""
        for severity in reversed(Severity):
            number = sum(finding.severity is severity for finding in self.findings)
            if number:
                yield severity, number
