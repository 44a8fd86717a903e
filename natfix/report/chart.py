"""A finding as a picture, before it has a shape: chains as boxes, rules as rows, and the way of the packet through them.

A box stands inside the row whose rule jumps to it, so that the packet's way goes downwards only: the graph of chains, unfolded
along the way. Chains the packet does not enter are closed boxes; rules that do not matter are counted, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from natfix.audit import Finding, Subject
from natfix.audit.hit import Statement
from natfix.packets import Fate, Intervals, Names, Outcome, Packet, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.packets.packetset import ANY_PORT, PROTOCOLS
from natfix.packets.walk import Visit
from natfix.ruleset import Chain, Family, Rule, Table

Mark: TypeAlias = Literal["", "culprit", "new", "first"]


@dataclass(frozen=True, slots=True)
class Row:
    """One rule in a box, or several that do not matter.

    Attributes:
        text: the rule without its chain; for rules left out how many they are; or the chain's policy.
        number: its place in the chain; 0 for rules left out and for a policy.
        taken: whether the packet matches it.
        mark: ``culprit`` for the rule the finding is about, ``new`` for what natfix puts in its place, ``first`` for a rule
            that decides before the culprit as things stand.
        box: the chain it leads to.
    """

    text: str
    number: int = 0
    taken: bool = False
    mark: Mark = ""
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One chain.

    Attributes:
        chain: its name.
        rules: how many rules it has.
        rows: what is shown of them; empty for a chain that the packet does not enter.
    """

    chain: str
    rules: int
    rows: tuple[Row, ...] = ()


@dataclass(frozen=True, slots=True)
class Way:
    """The way of a packet through a table.

    Attributes:
        box: the chain it comes in by.
        decided: whether a rule decides about it; else it goes through to the end.
        good: whether it keeps its source and arrives.
        end: what becomes of it.
    """

    box: Box
    decided: bool
    good: bool
    end: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A finding as a picture.

    Attributes:
        table: the table the chains belong to.
        packet: the packet whose way is shown, as text.
        before: its way as things stand.
        after: its way after ``natfix apply``; None for what natfix does not correct by itself.
    """

    table: str
    packet: str
    before: Way
    after: Way | None = None


def chart(finding: Finding, subject: Subject, corrected: Table | None) -> Chart | None:
    """Lay out the picture of *finding*; None for one that no packet shows.

    Args:
        finding: of *subject*.
        subject: the table it was found in, with those beside it.
        corrected: the nat table after natfix has corrected it; None when it would correct nothing.
    """
    table = subject.table if finding.table == "nat" else subject.filtering.get(finding.table)
    policy = isinstance(finding.rule, Statement)
    hook = finding.path[0].chain if finding.path else finding.rule.chain if policy else ""
    if finding.packet is None or not hook or table is None:
        return None
    packet = finding.packet
    marks: dict[Rule, Mark] = {finding.behind: "first"} if finding.behind else {}
    marks[finding.rule] = "culprit"
    walked = _walked(table, hook, packet, subject)
    # A rule behind another one is met in a walk without that one alone, and so the finding knows best.
    known = walked.alone and walked.outcome.rule == (None if policy else finding.path[-1])
    box = _Layout(table, hook, walked.path if known else finding.path, marks).box(hook)
    box = replace(box, rows=(*box.rows, Row(f"policy {finding.rule.spec.split()[-1]}", mark="culprit"))) if policy else box
    before = Way(box, decided=not policy, good=bool(finding.shielded_by), end=_end(finding, packet))
    mended = finding.correctable and finding.table == "nat"
    after = _after(packet, subject, corrected, hook) if corrected and mended else None
    return Chart(finding.table, str(packet), before, after)


def _end(finding: Finding, packet: Packet) -> str:
    if not finding.becomes:
        return "dropped, and nobody is told"
    if finding.shielded_by:
        return f"{packet.source} would leave as {finding.becomes}, but {finding.shielded_by} keeps it from that"
    return f"{packet.source} leaves as {finding.becomes}"


def _after(packet: Packet, subject: Subject, corrected: Table, hook: str) -> Way:
    """The way of *packet* through the corrected table, with what is new in it marked."""
    walked = _walked(corrected, hook, packet, subject)
    outcome = walked.outcome
    old = {rule for chain in subject.chains for rule in chain.rules}
    new = (rule for chain in corrected.reached_from(hook) for rule in chain.rules if rule not in old)
    good = outcome.fate is Fate.ACCEPT
    end = f"leaves as it came, from {packet.source}" if good else f"{packet.source} still leaves as another"
    box = _Layout(corrected, hook, walked.path, dict.fromkeys(new, "new")).box(hook)
    return Way(box, outcome.rule is not None, good, end)


class _Walked(NamedTuple):
    """The way of one packet: how it ends most likely, whether that is sure, and every rule that it matches till then."""

    outcome: Outcome
    alone: bool
    path: Sequence[Rule]


def _walked(table: Table, hook: str, packet: Packet, subject: Subject) -> _Walked:
    matched: list[Rule] = []

    def seen(visit: Visit) -> None:
        if visit.parted.inside:
            matched.append(visit.rule)

    outcomes = walk(table, hook, packets_like(packet, subject.family), ipsets=subject.ipsets, seen=seen)
    outcome = min(outcomes, key=_doubt)
    alone = len(outcomes) == 1 and not outcome.unknown
    return _Walked(outcome, alone, matched if alone else outcome.path)


def _doubt(outcome: Outcome) -> int:
    return len(outcome.unknown)


def packets_like(packet: Packet, family: Family) -> PacketSet:
    """The set that holds *packet* alone: an ordinary one that opens a connection."""
    return PacketSet(
        family=family,
        source=_just(int(packet.source)),
        destination=_just(int(packet.destination)),
        out_interface=Names(packet.out_interface),
        protocol=_just(PROTOCOLS[packet.protocol] if packet.protocol in PROTOCOLS else int(packet.protocol)),
        source_port=ANY_PORT if packet.source_port is None else _just(packet.source_port),
        destination_port=ANY_PORT if packet.destination_port is None else _just(packet.destination_port),
        mark=Bits(packet.mark),
        connmark=Bits(),
        source_type=frozenset({"UNICAST"}),
        destination_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
        in_interface=Names(packet.in_interface) if packet.in_interface else None,
    )


def _just(number: int) -> Intervals:
    return Intervals(((number, number),))


class _Layout:
    """Lays the chains of one table out.

    Args:
        table: the table.
        hook: the chain that a packet comes in by.
        path: the rules it matches.
        marks: rules to point at.
    """

    def __init__(self, table: Table, hook: str, path: Iterable[Rule], marks: Mapping[Rule, Mark]) -> None:
        self.table = table
        self.path = list(path)
        self.marks = marks
        marked = {rule.chain for rule in marks}
        # Chains in which, or in one that they lead to, there is something to point at.
        self.leading = {
            chain.name
            for chain in table.reached_from(hook)
            if marked and not marked.isdisjoint(each.name for each in table.reached_from(chain.name))
        }

    def box(self, name: str) -> Box:
        """The chain *name*; what the packet matches in it, and in chains it comes to from there, is taken off the path."""
        chain = self.table.chain(name)
        if chain is None:
            return Box(name, 0)
        taken: dict[int, Box | None] = {}
        while self.path and self.path[0].chain == name and self.path[0].number not in taken:
            rule = self.path.pop(0)
            entered = bool(self.path) and self.path[0].chain == rule.target
            taken[rule.number] = self.box(rule.target) if entered else self.beside(rule)
        return Box(name, len(chain.rules), tuple(self.rows(chain, taken)))

    def rows(self, chain: Chain, taken: Mapping[int, Box | None]) -> Iterator[Row]:
        """The rules that matter, one on each side of them, and how many are left out between."""
        matter = {rule.number for rule in chain.rules if rule.number in taken or self.matters(rule)}
        near = {number + step for number in matter for step in (-1, 0, 1)} or {1}
        ends = {0, len(chain.rules) + 1}
        last = 0
        for rule in chain.rules:
            # One rule alone is shown rather than counted: that takes no more room.
            if rule.number in near or {rule.number - 1, rule.number + 1} <= near | ends:
                yield from _left_out(rule.number - last - 1)
                last = rule.number
                box = taken[last] if last in taken else self.beside(rule)
                yield Row(rule.spec, last, last in taken, self.marks.get(rule, ""), box)
        yield from _left_out(len(chain.rules) - last)

    def matters(self, rule: Rule) -> bool:
        """Whether *rule* is pointed at, or leads to one that is."""
        return rule in self.marks or rule.target in self.leading

    def beside(self, rule: Rule) -> Box | None:
        """The chain that *rule* leads to, closed unless there is something in it to point at."""
        chain = self.table.chain(rule.target)
        if chain is None:
            return None
        return Box(chain.name, len(chain.places), tuple(self.rows(chain, {})) if chain.name in self.leading else ())


def _left_out(number: int) -> Sequence[Row]:
    return (Row(f"{number} more rules"),) if number else ()
