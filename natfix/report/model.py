"""What a check found, as values that every output is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from natfix.audit import AuditRule, Finding, Severity, Suppression
from natfix.errors import NatfixError, RulesetSyntaxError
from natfix.ruleset import Family, Network

if TYPE_CHECKING:  # Pictures are asked for rarely.
    from natfix.report.chart import Chart


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
        subnets: the container subnets of this host that it was judged for.
        charts: for each finding its picture, or None for one without a packet; empty when nobody asked for pictures.
        suppressed: what was found and somebody decided to live with, each with that decision; in no other count.
        known: how many findings were left out because a baseline knows them.
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


@dataclass(frozen=True, slots=True)
class Unread:
    """A source that could not be looked at, among others that could.

    Attributes:
        source: as the user named it.
        problem: what is wrong, one sentence, without the place.
        message: the same with the place, which it points at; several lines.
        hint: what to do; empty when there is nothing to say.
        line: 1-based line of the place; 0 when there is none.
        column: 1-based column; 0 when there is none.
        exit_code: what the error would have ended a command with.
    """

    source: str
    problem: str
    message: str
    hint: str
    line: int
    column: int
    exit_code: int

    @classmethod
    def of(cls, source: str, error: NatfixError) -> Unread:
        """Keep what *error* says about *source*."""
        line, column, problem = 0, 0, error.message
        if isinstance(error, RulesetSyntaxError):
            line, column, problem = error.line, error.column, error.problem
        return cls(source, problem, error.message, error.hint or "", line, column, error.exit_code)

    def __str__(self) -> str:
        """Spell it as the error spells itself."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Place:
    """A finding and the table it was found in.

    Attributes:
        table: the table.
        finding: the finding.
        chart: its picture, if it has one and somebody asked for it.
    """

    table: CheckedTable
    finding: Finding
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one kind.

    Attributes:
        kind: the audit rule.
        places: where it was found, in the order looked at; never empty.
    """

    kind: AuditRule
    places: tuple[Place, ...]

    @property
    def severity(self) -> Severity:
        """That of the worst of them."""
        return max(place.finding.severity for place in self.places)

    @property
    def sources(self) -> int:
        """In how many sources it was found."""
        return len({place.table.source for place in self.places})


@dataclass(frozen=True, slots=True)
class CheckResult:
    """Everything one check found.

    Attributes:
        tables: in the order looked at.
        notes: what else the reader should know.
        unread: sources that could not be looked at.
    """

    tables: tuple[CheckedTable, ...]
    notes: tuple[str, ...] = ()
    unread: tuple[Unread, ...] = ()

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
        return tuple(
            Place(table, finding, table.charts[number] if table.charts else None)
            for table in self.tables
            for number, finding in enumerate(table.findings)
        )

    @property
    def groups(self) -> tuple[Group, ...]:
        """The findings by their kind, the worst kind first, then by id."""
        found: dict[str, list[Place]] = {}
        for place in self.places:
            found.setdefault(place.finding.kind.id, []).append(place)
        made = [Group(places[0].finding.kind, tuple(places)) for places in found.values()]
        return tuple(sorted(made, key=lambda group: (-group.severity, group.kind.id)))

    @property
    def sources(self) -> tuple[str, ...]:
        """Every source, in the order looked at; those that could not be read come last."""
        return tuple(dict.fromkeys([*(table.source for table in self.tables), *(each.source for each in self.unread)]))

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
