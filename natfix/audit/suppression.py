"""Findings that somebody decided to live with: by audit rule and scope, for a reason, until a day.

A suppressed finding is neither told nor corrected, and is always counted. On the day after *until* it is back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from natfix.audit.finding import Finding
from natfix.packets import Intervals
from natfix.ruleset import Network


@dataclass(frozen=True, slots=True)
class Suppression:
    """One decision; of its scope only what is said must hold.

    Attributes:
        id: of the audit rule: ``NAT006``.
        reason: why nobody needs to hear of it.
        until: the last day on which it holds.
        chain: the chain of the rule that is found; empty for any.
        rule: that rule, without or with its ``-A CHAIN``; empty for any.
        source: a network in which the source of that rule lies; None for any.
        host: the name of the host that it holds on; empty for any.
        place: where it is written, for reports.
    """

    id: str
    reason: str
    until: date
    chain: str = ""
    rule: str = ""
    source: Network | None = None
    host: str = ""
    place: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Spell it for a report: ``NAT006 (/etc/natfix/natfix.toml: suppress 1)``."""
        return f"{self.id} ({self.place})" if self.place else self.id

    def covers(self, finding: Finding) -> bool:
        """Whether *finding* is in its scope, its days and its host aside."""
        rule = finding.rule
        if self.id != finding.kind.id or self.chain not in {"", rule.chain}:
            return False
        if self.rule not in {"", rule.spec, str(rule)}:
            return False
        return self.source is None or _lies_in(finding, self.source)


@dataclass(frozen=True, slots=True)
class Suppressions:
    """Every decision, and what decides which of them hold.

    Attributes:
        entries: in the order written.
        today: the day.
        host: the name of the host that is looked at; empty for a text, of which nobody knows the host.
    """

    entries: tuple[Suppression, ...] = ()
    today: date = date.min
    host: str = ""

    @property
    def holding(self) -> tuple[Suppression, ...]:
        """Those that hold here and today."""
        return tuple(each for each in self.entries if each.until >= self.today and each.host in {"", self.host})

    @property
    def expired(self) -> tuple[Suppression, ...]:
        """Those whose last day is over."""
        return tuple(each for each in self.entries if each.until < self.today)

    def of(self, finding: Finding) -> Suppression | None:
        """The first that holds and covers *finding*."""
        return next((each for each in self.holding if each.covers(finding)), None)

    def notes(self, used: Iterable[Suppression]) -> tuple[str, ...]:
        """What a reader must know: what was left out and why, what is of no use, what is over."""
        counts: dict[Suppression, int] = {}
        for each in used:
            counts[each] = counts.get(each, 0) + 1
        hidden = [
            f"{number} finding{'s' if number > 1 else ''} suppressed by {each} until {each.until}: {each.reason}"
            for each, number in counts.items()
        ]
        unused = [f"the suppression {each} covers no finding; take it out" for each in self.holding if each not in counts]
        over = [f"the suppression {each} was over on {each.until}, and is of no effect" for each in self.expired]
        return (*hidden, *unused, *over)


def _lies_in(finding: Finding, network: Network) -> bool:
    """Whether the source of the rule, or of a jump that leads to it, lies in *network*."""
    sources = [source for rule in (finding.rule, *finding.path) if (source := rule.network("source")) is not None]
    whole = Intervals.networks([network])
    return any(source.version == network.version and Intervals.networks([source]) <= whole for source in sources)
