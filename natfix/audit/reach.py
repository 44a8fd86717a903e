"""Rules that no packet ever comes to, and why: what a walk of each rule's own packets shows.

Each rule's packets are sent through the table from its hook. A rule that decides, and decides nothing of them, is dead: it
matches no packet at all, or rules before it take every one. Where a match cannot be evaluated the rule may be reached, and
nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from natfix.audit.hidden import hidden, once
from natfix.audit.hit import Hit
from natfix.audit.subject import HOOK, Subject
from natfix.packets import SOURCE_NAT_TARGETS, Fate, Intervals, Outcome, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.packets.match import match
from natfix.packets.packetset import every_address
from natfix.packets.walk import Visit
from natfix.ruleset import Rule, same_meaning

_DECIDING: Final = SOURCE_NAT_TARGETS | {"ACCEPT", "RETURN", "DROP"}
# Each rule is held against each other one; this many take 0.1 s, and nobody looks through more.
_MOST_RULES: Final = 300
_MOST_VISITS: Final = 20_000


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
    kept = [(rule, _addresses(rule)) for rule in subject.rules]
    tired = _Patience(_MOST_VISITS)
    for rule, mine in kept:
        if rule.target not in _DECIDING or rule in told:
            continue
        packets = match(rule, every_packet(subject), unreadable=frozenset({"mark"}))
        apart = frozenset(other for other, theirs in kept if not _meet(mine, theirs))
        try:
            outcomes = [each for part in packets.inside for each in walk(subject.table, HOOK, part, skip=apart, seen=tired)]
        except _TiredError:
            return
        found = _dead(rule, outcomes)
        if found is not None and not told.intersection(found.deciders):
            yield found


class _TiredError(Exception):
    """The walks took too long."""


class _Patience:
    """Counts the rules that packets come to, and ends the walks where marks and unknown matches part them without end."""

    def __init__(self, left: int) -> None:
        self.left = left

    def __call__(self, visit: Visit) -> None:  # noqa: ARG002  (every visit counts one)
        self.left -= 1
        if not self.left:
            raise _TiredError


def _dead(rule: Rule, outcomes: Sequence[Outcome]) -> Dead | None:
    """The rule as a dead one; None when a packet comes to it, or may, or when no rule that decides was met."""
    if any(each.line == rule.line for outcome in outcomes for each in outcome.path):
        return None
    if rule.target == "RETURN" and not all(outcome.certain for outcome in outcomes):
        return None
    deciders = dict.fromkeys(outcome.path[-1] for outcome in outcomes if outcome.path and outcome.path[-1].target in _DECIDING)
    if len(outcomes) and any(not outcome.path or outcome.path[-1] not in deciders for outcome in outcomes):
        # Some of its packets meet the policy: they would come to the rule if a jump led there.
        return None
    fate = Fate.SOURCE_NAT if rule.target in SOURCE_NAT_TARGETS else Fate.DROP if rule.target == "DROP" else Fate.ACCEPT
    return Dead(rule, tuple(deciders), all(outcome.fate is fate for outcome in outcomes))


def every_packet(subject: Subject) -> PacketSet:
    """Whatever can come to the hook, with any mark."""
    every = every_address(subject.family)
    return PacketSet(subject.family, every, every, mark=Bits(0, 0))


def _addresses(rule: Rule) -> tuple[Intervals | None, Intervals | None]:
    """The sources and destinations that a rule names; None for any."""
    named = (rule.network("source"), rule.network("destination"))
    source, destination = (None if each is None else Intervals.networks([each]) for each in named)
    return source, destination


def _meet(one: Sequence[Intervals | None], other: Sequence[Intervals | None]) -> bool:
    return all(mine is None or theirs is None or bool(mine & theirs) for mine, theirs in zip(one, other, strict=True))
