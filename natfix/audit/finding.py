"""Findings: what an audit says, each with the packet that proves it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from natfix.audit.analyses import ANALYSES, Hit
from natfix.audit.rulefile import AuditRule
from natfix.audit.subject import Subject
from natfix.packets import Packet, PacketSet, witness
from natfix.ruleset import Rule

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
        path: the rules that packet matches, the last one being the one that rewrites it.
        becomes: what the packet's source becomes.
        unknown: words that natfix cannot evaluate and on which it depends.
        behind: a rule that decides before this one as things stand.
    """

    kind: AuditRule
    rule: Rule
    message: str
    certain: bool
    packet: Packet | None = None
    path: tuple[Rule, ...] = ()
    becomes: str = ""
    unknown: tuple[str, ...] = ()
    behind: Rule | None = None

    @property
    def correctable(self) -> bool:
        """Whether natfix corrects it by itself: it is sure, and its audit rule has a fix."""
        return self.certain and self.kind.fix != "none"


def audit(subject: Subject, catalogue: Iterable[AuditRule]) -> tuple[Finding, ...]:
    """Look at one nat table with every audit rule.

    Returns:
        The findings, worst first, in the order of the ruleset within one severity.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
    """
    found = [
        _finding(kind, hit, subject)
        for kind in catalogue
        if subject.family in kind.families
        for hit in ANALYSES[kind.analysis](subject)
        if not kind.targets or hit.rule.target in kind.targets
    ]
    return tuple(sorted(_unique(found), key=lambda each: (-each.kind.severity, each.rule.line, each.kind.id)))


def _unique(found: Iterable[Finding]) -> Iterable[Finding]:
    """One finding for a rule and a kind, the surest, though several subnets may meet it."""
    best: dict[tuple[str, int], Finding] = {}
    for finding in found:
        key = (finding.kind.id, finding.rule.line)
        if key not in best or (finding.certain and not best[key].certain):
            best[key] = finding
    return best.values()


def _finding(kind: AuditRule, hit: Hit, subject: Subject) -> Finding:
    if not hit.outcomes or hit.locality is None:
        return Finding(kind, hit.rule, hit.message, hit.certain)
    outcome = min(hit.outcomes, key=lambda each: len(each.unknown))
    packet = witness(_remote(outcome.packets, subject), devices=(*subject.devices, *_UPLINKS), near=hit.locality.addresses)
    return Finding(
        kind=kind,
        rule=hit.rule,
        message=hit.message,
        certain=hit.certain,
        packet=packet,
        path=outcome.path,
        becomes=_becomes(hit.rule, packet, subject),
        unknown=outcome.unknown,
        behind=hit.behind,
    )


def _remote(packets: PacketSet, subject: Subject) -> PacketSet:
    """Those of *packets* that go to another host, when there are any: they show the fault best."""
    destination = packets.destination - subject.local_addresses
    return packets.having("destination", destination) if destination else packets


def _becomes(rule: Rule, packet: Packet, subject: Subject) -> str:
    option = rule.option("to-source", "SNAT") or rule.option("to", rule.target)
    if option is not None:
        return option.value
    return subject.devices.get(packet.out_interface) or f"the address of {packet.out_interface}"
