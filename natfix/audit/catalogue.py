"""Audit rules together with the findings of theirs that nobody wants to hear of: what an audit goes by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, overload

from natfix.audit.finding import Finding, every_finding
from natfix.audit.guard import Guard
from natfix.audit.rulefile import AuditRule, Severity
from natfix.audit.subject import Subject
from natfix.audit.suppression import Suppression, Suppressions


@dataclass(frozen=True)
class Catalogue(Sequence[AuditRule]):
    """The audit rules that decide, and the findings of theirs that nobody wants to hear of.

    Attributes:
        rules: sorted by id.
        suppressions: what is left out of every audit with these rules, whoever makes it.
    """

    rules: tuple[AuditRule, ...]
    suppressions: Suppressions = field(default_factory=Suppressions)

    def __len__(self) -> int:
        """How many audit rules there are."""
        return len(self.rules)

    @overload
    def __getitem__(self, place: int) -> AuditRule: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[AuditRule, ...]: ...
    def __getitem__(self, place: int | slice) -> AuditRule | tuple[AuditRule, ...]:
        """The audit rule at *place*."""
        return self.rules[place]


class Audited(NamedTuple):
    """What an audit of one table came to.

    Attributes:
        findings: what is told and corrected.
        suppressed: what is not, each with the decision that covers it.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[tuple[Finding, Suppression], ...] = ()


def audit(subject: Subject, catalogue: Iterable[AuditRule], guard: Guard | None = None) -> Audited:
    """Look at one nat table with every audit rule.

    Args:
        subject: the table.
        catalogue: the audit rules; of a Catalogue the suppressions count too.
        guard: what is in force before the table is asked.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
    """
    found = every_finding(subject, catalogue, guard)
    if not isinstance(catalogue, Catalogue) or not catalogue.suppressions.holding:
        return Audited(found)
    judged = [(finding, catalogue.suppressions.of(finding)) for finding in found]
    return Audited(
        tuple(finding for finding, decision in judged if decision is None),
        tuple((finding, decision) for finding, decision in judged if decision is not None),
    )


def audit_table(subject: Subject, catalogue: Iterable[AuditRule], guard: Guard | None = None) -> tuple[Finding, ...]:
    """Look at one nat table with every audit rule.

    Returns:
        The findings that are not suppressed, worst first, in the order of the ruleset within one severity.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
    """
    return audit(subject, catalogue, guard).findings


def faults(catalogue: Sequence[AuditRule]) -> Sequence[AuditRule]:
    """Leave out the audit rules that only advise: what changes a host goes by the others, and need not wait for these."""
    worse = tuple(each for each in catalogue if each.severity > Severity.INFO)
    return Catalogue(worse, catalogue.suppressions) if isinstance(catalogue, Catalogue) else worse
