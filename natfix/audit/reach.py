"""Rules that no packet ever comes to, and why: what a walk of each rule's own packets shows.

Each rule's packets are sent through the table from its hook. A rule that decides, and decides nothing of them, is dead: it
matches no packet at all, or rules before it take every one. Where a match cannot be evaluated the rule may be reached, and
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from natfix.audit.crowd import DECIDING, crowded_rules
from natfix.audit.hidden import hidden, once
from natfix.audit.hit import Hit
from natfix.audit.subject import HOOK, Subject
from natfix.packets import SOURCE_NAT_TARGETS, Fate, Intervals, Names, Outcome, PacketSet
from natfix.packets.bits import Bits
from natfix.packets.match import match, misses
from natfix.packets.packetset import every_address
from natfix.packets.walk import Visit
from natfix.ruleset import Rule, same_meaning

# Each rule is held against each other one, so that this many take 20 ms. More are a node's many pods, written by a program.
_MOST_RULES: Final = 100
_MOST_VISITS: Final = 500  # In one walk.
_MOST_WAYS: Final = 4
_MARK: Final = frozenset({"mark"})


class Dead(NamedTuple):
    """A rule that decides nothing.

    Attributes:
        rule: the rule.
        deciders: the rules that decide its packets before; empty when it matches none.
        same: whether all its packets meet the fate that it would give them.
    """

    rule: Rule
    deciders: tuple[Rule, ...]
    same: bool


def never_matches(subject: Subject) -> Iterator[Hit]:
    """Rules that no packet of the nat table can match."""
    for rule, deciders, _ in dead_rules(subject):
        if not deciders:
            yield Hit(rule, "matches no packet: the nat table sees the first packet of a connection only")


def duplicate_rule(subject: Subject) -> Iterator[Hit]:
    """Rules that say what a rule before them in the same chain says, and so never get a packet."""
    for rule, deciders, _ in dead_rules(subject):
        if _is_copy(rule, deciders):
            yield Hit(rule, f"says what rule {deciders[0].number} of {rule.chain} says; no packet comes to it")


def redundant_rule(subject: Subject) -> Iterator[Hit]:
    """Rules whose every packet others have decided before, in the same way; of those in a row the first."""
    yield from _by_deciders(subject, "decide its packets before it, and the same", same=True)


def contradicted_rule(subject: Subject) -> Iterator[Hit]:
    """Rules whose every packet others have decided before, in another way."""
    yield from _by_deciders(subject, "decide its packets before it, and otherwise", same=False)


def _by_deciders(subject: Subject, message: str, *, same: bool) -> Iterator[Hit]:
    told: dict[tuple[Rule, ...], list[Rule]] = {}
    for rule, deciders, equal in dead_rules(subject):
        if deciders and equal is same and not _is_copy(rule, deciders):
            told.setdefault(deciders, []).append(rule)
    for deciders, (rule, *others) in told.items():
        named = " and ".join(f"rule {each.number} of {each.chain}" for each in deciders[:2])
        more = f"; so of {len(others)} more" if others else ""
        verb = message if len(deciders) > 1 else message.replace("decide ", "decides ", 1)
        yield Hit(rule, f"no packet comes to it: {named} {verb}{more}")


def _is_copy(rule: Rule, deciders: Sequence[Rule]) -> bool:
    return len(deciders) == 1 and same_meaning(rule, deciders[0])


@once
def dead_rules(subject: Subject) -> Iterator[Dead]:
    """The rules of POSTROUTING, and of what it reaches, that decide nothing; what hides addresses is told of elsewhere."""
    if len(subject.rules) > _MOST_RULES:
        return
    told = {hit.rule for hit in hidden(subject)}
    search = _Search(subject)
    doubted = crowded_rules(subject.rules)
    for rule in subject.rules:
        if rule.target in DECIDING and rule not in told and rule.line in doubted and rule.line not in search.met:
            try:
                found = search.dead(rule)
            except _TiredError:
                return
            if found is not None and not told.intersection(found.deciders):
                yield found


class _Search:
    """Sends the packets of single rules through one table."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self.named = [rule for rule in subject.rules if rule.spans]
        self.left = _MOST_VISITS
        self.met: set[int] = set()
        self.calls: dict[str, list[Rule]] = {}
        for rule in subject.rules:
            self.calls.setdefault(rule.target, []).append(rule)

    def dead(self, rule: Rule) -> Dead | None:
        """The rule as a dead one; None when a packet comes to it, or may."""
        ways = list(self.ways((rule,)))
        if not ways or len(ways) > _MOST_WAYS:
            return None
        parts = [part for way in ways for part in self.matching(way)]
        # One packet that comes to the rule proves that it lives, at a small part of the cost.
        sent = [_one_of(rule, part) for part in parts[:1]]
        outcomes: list[Outcome] = []
        for part in (*sent, *parts):
            outcomes += self.sent(part)
            if rule.line in self.met:
                return None
        return _dead(rule, outcomes)

    def ways(self, way: tuple[Rule, ...]) -> Iterator[tuple[Rule, ...]]:
        """The jumps that lead from the hook to the first rule of *way*, with what they lead to."""
        if way[0].chain == HOOK:
            yield way
            return
        for call in self.calls.get(way[0].chain, ()):
            yield from self.ways((call, *way))

    def matching(self, way: Sequence[Rule]) -> tuple[PacketSet, ...]:
        """The packets that match every rule of *way*, whatever their marks."""
        parts: tuple[PacketSet, ...] = (every_packet(self.subject),)
        for rule in way:
            parts = tuple(inside for part in parts for inside in match(rule, part, unreadable=_MARK).inside)
        return parts

    def sent(self, packets: PacketSet) -> tuple[Outcome, ...]:
        """What becomes of *packets*; rules that none of them can match need not be asked."""
        apart = [rule for rule in self.named if misses(rule, packets)]
        self.left = _MOST_VISITS
        return self.subject.sent(packets, skip=frozenset(apart), seen=self._see)

    def _see(self, visit: Visit) -> None:
        """Note who gets a packet; give up where marks and unknown matches part packets without end."""
        self.left -= 1
        if not self.left:
            raise _TiredError
        if visit.parted.inside:
            self.met.add(visit.rule.line)


class _TiredError(Exception):
    """The walks took too long."""


def _dead(rule: Rule, outcomes: Sequence[Outcome]) -> Dead | None:
    """The rule as a dead one; None when some of its packets meet the policy: they would come to it if a jump led there."""
    deciders = dict.fromkeys(outcome.path[-1] for outcome in outcomes if outcome.path and outcome.path[-1].target in DECIDING)
    if any(not outcome.path or outcome.path[-1] not in deciders for outcome in outcomes):
        return None
    fate = Fate.SOURCE_NAT if rule.target in SOURCE_NAT_TARGETS else Fate.DROP if rule.target == "DROP" else Fate.ACCEPT
    return Dead(rule, tuple(sorted(deciders, key=lambda each: each.line)), all(outcome.fate is fate for outcome in outcomes))


def every_packet(subject: Subject) -> PacketSet:
    """Whatever can come to the hook, with any mark."""
    every = every_address(subject.family)
    return PacketSet(subject.family, every, every, mark=Bits(0, 0))


def _one_of(rule: Rule, packets: PacketSet) -> PacketSet:
    """One packet, with the mark that *rule* asks for."""
    marked = match(rule, packets).inside
    one = marked[0] if marked else packets
    return PacketSet(
        family=one.family,
        source=Intervals.single(one.source.ranges[0][0]),
        destination=Intervals.single(one.destination.ranges[0][0]),
        out_interface=Names(one.out_interface.sample("eth0")),
        protocol=Intervals.single(one.protocol.ranges[0][0]),
        source_port=Intervals.single(one.source_port.ranges[0][0]),
        destination_port=Intervals.single(one.destination_port.ranges[0][0]),
        mark=Bits(one.mark.value),
        source_type=frozenset([min(one.source_type)]),
        destination_type=frozenset([min(one.destination_type)]),
        state=frozenset([min(one.state)]),
    )
