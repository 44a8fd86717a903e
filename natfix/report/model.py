"""What a check found, as values that every output is made of."""

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
        subnets: the container subnets of this host that it was judged for.
    """

    source: str
    live: bool
    family: Family
    rules: int
    cluster: ClusterOrigin | None
    findings: tuple[Finding, ...] = ()
    subnets: tuple[Network, ...] = ()


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
        return any(finding.severity >= severity for finding in self.findings)

    def counts(self) -> Iterator[tuple[Severity, int]]:
        """How many findings there are of each severity, worst first; severities without any are left out."""
        for severity in reversed(Severity):
            number = sum(finding.severity is severity for finding in self.findings)
            if number:
                yield severity, number
