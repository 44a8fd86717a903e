"""Findings: what an audit says, each with the packet that proves it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from natfix.audit.actor import actor_of
from natfix.audit.analyses import ANALYSES, HIDING
from natfix.audit.guard import Guard
from natfix.audit.hit import Hit
from natfix.audit.rulefile import AuditRule, Severity
from natfix.audit.subject import Subject
from natfix.packets import Fate, Packet, PacketSet, joined, witness
from natfix.ruleset import Rule

if TYPE_CHECKING:  # Start-up time.
    from natfix.packets.trace import Standing

# Names for a device that nobody has named.
_UPLINKS = ("eth0", "eth1", "eth2")


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule of the ruleset that an audit rule speaks about.

    Attributes:
        kind: the audit rule.
        rule: the rule of the ruleset.
        message: what is wrong with it.
        certain: whether that is sure, or only possible because of *unknown*.
        packet: a packet that shows it; None when the finding is about the rule's words.
        packets: every packet that it is about, as sets.
        whole: all packets that must keep their source; of these *packets* are a part, or all. None where it is about others.
        path: the rules that packet matches, the last one being the one that rewrites or drops it.
        becomes: what the packet's source becomes; empty for a packet that is dropped.
        unknown: words that natfix cannot evaluate and on which it depends.
        behind: a rule that decides before this one as things stand.
        shielded_by: what keeps all of these packets from this rule as things stand, so that it does no harm; empty for nothing.
        table: the table of the rule.
        marked: rules of other tables that mark these packets before, without which this rule would not meet them.
        first: a rule of another table that decides before this one as things stand.
    """

    kind: AuditRule
    rule: Rule
    message: str
    certain: bool
    packet: Packet | None = None
    packets: tuple[PacketSet, ...] = ()
    whole: PacketSet | None = None
    path: tuple[Rule, ...] = ()
    becomes: str = ""
    unknown: tuple[str, ...] = ()
    behind: Rule | None = None
    shielded_by: str = ""
    table: str = "nat"
    marked: tuple[Standing, ...] = ()
    first: Standing | None = None

    @property
    def severity(self) -> Severity:
        """How much it matters as things stand: that of its kind, unless it does no harm."""
        return Severity.INFO if self.shielded_by else self.kind.severity

    @property
    def partial(self) -> bool:
        """Whether only some of the packets that must keep their source lose it here."""
        return self.whole is not None and self.whole not in self.packets

    @property
    def correctable(self) -> bool:
        """Whether natfix corrects it by itself: it is sure, its audit rule has a fix, and no other table makes it a fault."""
        return self.certain and self.kind.fix != "none" and not self.marked


def every_finding(subject: Subject, catalogue: Iterable[AuditRule], guard: Guard | None = None) -> tuple[Finding, ...]:
    """Look at one nat table with every audit rule.

    Args:
        subject: the table.
        catalogue: the audit rules.
        guard: what is in force before the table is asked.

    Returns:
        The findings, those included that somebody suppressed, worst first, in the order of the ruleset within one severity.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
    """
    found = [
        _judged(kind, hit, subject, guard)
        for kind in catalogue
        if subject.family in kind.families
        for hit, actor in _named(kind.analysis, subject)
        if (not kind.targets or hit.rule.target in kind.targets) and (not kind.actors or actor in kind.actors)
    ]
    return tuple(sorted(_unique(_without_general(found)), key=lambda each: (-each.severity, each.rule.line, each.kind.id)))


def _named(analysis: str, subject: Subject) -> Sequence[tuple[Hit, str]]:
    """What an analysis finds, with whoever wrote each rule; worked out once, as several audit rules go by one analysis."""
    if analysis not in subject.made:
        subject.made[analysis] = [(hit, _author(hit)) for hit in ANALYSES[analysis](subject)]
    made: Sequence[tuple[Hit, str]] = subject.made[analysis]
    return made


def _author(hit: Hit) -> str:
    # A copy of a rule has its own place, and the way of the first.
    return actor_of((*hit.outcomes[0].path[:-1], hit.rule) if hit.outcomes else (hit.rule,))


def _without_general(found: list[Finding]) -> Iterable[Finding]:
    """Leave out what an audit rule for any author says of a hidden address where one for its very author says it too."""
    named = {each.rule.line for each in found if each.kind.analysis in HIDING and each.kind.actors}
    return (each for each in found if each.kind.actors or each.kind.analysis not in HIDING or each.rule.line not in named)


def _unique(found: Iterable[Finding]) -> Iterable[Finding]:
    """One finding for a rule and a kind, the worst and surest, though several subnets may meet it."""
    best: dict[tuple[object, ...], Finding] = {}
    for finding in found:
        key = (finding.kind.id, finding.table, *_place(finding.rule))
        before = best.get(key)
        if before is None or _weight(finding) > _weight(before):
            best[key] = finding
        elif finding.rule != before.rule and _is_as_much(finding, before):
            best[key] = replace(before, packets=joined((*before.packets, *finding.packets)))
    return best.values()


def _place(rule: Rule) -> tuple[object, ...]:
    # One rule of nft can be several in the words of iptables, each for other packets.
    return (rule.home, rule.number, str(rule)) if rule.native else (rule.line, rule)


def _is_as_much(one: Finding, other: Finding) -> bool:
    """Whether two alternatives of one rule say the same of packets that are parts of the same."""
    return (_weight(one), one.message, one.whole) == (_weight(other), other.message, other.whole)


def _weight(finding: Finding) -> tuple[bool, bool]:
    return not finding.shielded_by, finding.certain


def _judged(kind: AuditRule, hit: Hit, subject: Subject, guard: Guard | None) -> Finding:
    """The finding as things stand: about the packets that come to its rule, or without harm."""
    if not hit.outcomes or not (guard or subject.before):
        return _finding(kind, hit, subject)
    from natfix.audit.exposure import as_sent, exposure  # noqa: PLC0415  (start-up time: most hosts have neither)

    left = exposure(subject, hit, guard)
    if left.outcomes:
        certain = hit.certain and any(each.certain for each in left.outcomes)
        return _finding(kind, replace(hit, outcomes=left.outcomes, certain=certain, first=left.first), subject)
    assert left.loss is not None, "what is left out has a reason"  # noqa: S101
    message = f"{hit.message}; harmless now: {left.loss.by} {left.loss.how}"
    return replace(_finding(kind, replace(as_sent(hit), message=message), subject), shielded_by=left.loss.by)


def _finding(kind: AuditRule, hit: Hit, subject: Subject) -> Finding:
    if not hit.outcomes or hit.locality is None:
        return Finding(kind, hit.rule, hit.message, hit.certain, table=hit.table)
    outcome = min(hit.outcomes, key=lambda each: len(each.unknown))
    packet = witness(_remote(outcome.packets, subject), devices=(*subject.devices, *_UPLINKS), near=hit.locality.addresses)
    return Finding(
        kind=kind,
        rule=hit.rule,
        message=hit.message,
        certain=hit.certain,
        packet=packet,
        packets=joined(each.packets for each in hit.outcomes),
        whole=subject.protected(hit.locality) if outcome.fate is Fate.SOURCE_NAT else None,
        path=outcome.path,
        becomes="" if outcome.fate is Fate.DROP else _becomes(outcome.rule or hit.rule, packet, subject),
        unknown=outcome.unknown,
        behind=hit.behind,
        table=hit.table,
        marked=hit.marked,
        first=hit.first,
    )


def _remote(packets: PacketSet, subject: Subject) -> PacketSet:
    """Those of *packets* that go to another host, when there are any: they show the fault best."""
    destination = packets.destination - subject.local_addresses
    return packets.having("destination", destination) if destination else packets


def _becomes(rule: Rule, packet: Packet, subject: Subject) -> str:
    option = rule.option("to-source", "SNAT") or rule.option("to", rule.target)
    if option is None:
        return subject.devices.get(packet.out_interface) or f"the address of {packet.out_interface}"
    if rule.target != "NETMAP":
        return option.value
    from natfix.packets.given import given  # noqa: PLC0415  (start-up time: few rules are such)

    return str(given(rule, packet.source) or option.value)
