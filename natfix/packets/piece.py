"""Packets on their way through a table: parted by rules, in doubt or not, and where they have gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from natfix.packets.bits import Change
from natfix.packets.fields import parse_mark
from natfix.packets.match import match
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.packetset import PacketSet
from natfix.packets.sets import IpSets
from natfix.ruleset import Rule

_MARK = frozenset({"mark"})
_MANY = 200
_MARKS = frozenset({"mark", "connmark"})


class Parted(NamedTuple):
    """A piece and a rule.

    Attributes:
        inside: what the rule matches; disjoint.
        outside: what it surely does not; disjoint.
        unknown: the words that leave in doubt whether a packet of *inside* matches.
        refused: when nothing is inside, the words that left nothing.
    """

    inside: list[Piece]
    outside: list[Piece]
    unknown: tuple[str, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Piece:
    """Packets on their way.

    Attributes:
        packets: the packets as they came.
        path: the rules that matched.
        unknown: what could not be evaluated.
        turns: how many doubtful turns they took; the same words can stand at several.
        change: what became of their marks.
    """

    packets: PacketSet
    path: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = ()
    turns: int = 0
    change: Change = Change()  # noqa: RUF009  (frozen)

    def parted(self, rule: Rule, ipsets: IpSets | None = None) -> Parted:
        """Part what *rule* matches, or may match, from what it surely does not."""
        packets = self.marked()
        hidden = _MARK if (packets.mark.lost or packets.connmark.lost) and _asks_what_is_lost(rule, packets) else frozenset()
        matched = match(rule, packets, unreadable=hidden, ipsets=ipsets)
        outside = [self.holding(self._as_came(each)) for each in matched.outside]
        if not matched.inside:
            return Parted([], outside, matched.unknown, matched.refused)
        doubted = self.doubted(matched.unknown)
        taken = Piece(self.packets, (*self.path, rule), doubted.unknown, doubted.turns, self.change)
        return Parted([taken.holding(self._as_came(each)) for each in matched.inside], outside, matched.unknown)

    def holding(self, packets: PacketSet) -> Piece:
        """These packets on the same way."""
        return Piece(packets, self.path, self.unknown, self.turns, self.change)

    def doubted(self, words: Iterable[str]) -> Piece:
        """The same packets after a turn that depends on *words*; without words it is no turn."""
        if not words:
            return self
        return replace(self, unknown=tuple(dict.fromkeys((*self.unknown, *words))), turns=self.turns + 1)

    def outcome(self, fate: Fate, rule: Rule | None) -> Outcome:
        """Let the packets end here."""
        return Outcome(self.packets, fate, self.path, rule, self.unknown, self.change)

    def marked(self) -> PacketSet:
        """The packets with the marks they have by now."""
        return self.packets.having("mark", self.change.of(self.packets.mark)) if self.change else self.packets

    def _as_came(self, packets: PacketSet) -> PacketSet:
        if not self.change:
            return packets
        return packets.having("mark", self.change.undone(packets.mark, self.packets.mark))


@dataclass(slots=True)
class Flow:
    """Where packets that entered a rule have gone: on to the next one, out of the chain, or to their end."""

    onward: list[Piece] = field(default_factory=list)
    leaving: list[Piece] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)

    def add(self, other: Flow) -> None:
        """Take in all of *other*."""
        self.onward.extend(other.onward)
        self.leaving.extend(other.leaving)
        self.ended.extend(other.ended)

    def brings_back(self, piece: Piece) -> bool:
        """Whether all of *piece* goes on as it was, so that it does not matter whether its rule matched."""
        return not self.leaving and not self.ended and all(_is_untouched(each, piece) for each in self.onward)

    def doubted(self, before: Piece, inside: Piece) -> Flow:
        """This flow of *inside*, which is *before* after a rule of which nobody knows whether it matched.

        Parts that the target left as they were go on either way, and nothing about them is in doubt. The others go
        on twice: as the target left them, and untouched, as if the rule had not matched.
        """
        untouched = [each for each in self.onward if _is_untouched(each, inside)]
        changed = [each for each in self.onward if not _is_untouched(each, inside)]
        affected = [each.packets for each in (*changed, *self.leaving)] + [each.packets for each in self.ended]
        missed = replace(before, unknown=inside.unknown, turns=inside.turns)
        surely = [before.holding(each.packets) for each in untouched]
        instead = [missed.holding(_unaltered(packets, inside.packets)) for packets in affected]
        return Flow([*surely, *changed, *instead], self.leaving, self.ended)


def merged(pieces: Sequence[Piece], others: Sequence[Piece]) -> list[Piece]:
    """Put *others* to *pieces*, without those that one on the same way covers.

    A certain one covers a possible one, never the reverse. *pieces* are taken to be merged already, so that a rule
    that changes little costs little. Of very many only equal ones are found: to compare each with each takes minutes then.
    """
    if not any(piece.unknown for piece in (*pieces, *others)):
        return [*pieces, *others]
    if len(pieces) + len(others) > _MANY:
        return [*pieces, *_others_than(pieces, others)]
    kept = list(pieces)
    for other in others:
        if not any(_covers(piece, other) for piece in kept):
            kept = [piece for piece in kept if not _covers(other, piece)]
            kept.append(other)
    return kept


def _others_than(pieces: Sequence[Piece], others: Sequence[Piece]) -> Iterator[Piece]:
    """Those of *others* of which none of *pieces* holds the same packets on the same way, as surely."""
    known = {(piece.change, piece.packets, bool(piece.unknown)) for piece in pieces}
    for other in others:
        if known.isdisjoint((other.change, other.packets, doubted) for doubted in {False, bool(other.unknown)}):
            known.add((other.change, other.packets, bool(other.unknown)))
            yield other


def _asks_what_is_lost(rule: Rule, packets: PacketSet) -> bool:
    """Whether *rule* asks for bits of a mark that nobody knows, and what is known does not answer."""
    for option in rule.options:
        if option.name == "mark" and option.owner in _MARKS:
            bits = packets.mark if option.owner == "mark" else packets.connmark
            try:
                told = bits.is_told(*parse_mark(option.value))
            except ValueError:
                told = False
            if not told:
                return True
    return False


def _unaltered(packets: PacketSet, before: PacketSet) -> PacketSet:
    """The packets as if no rule had ended their tracking, or marked their connection."""
    ended = "UNTRACKED" in packets.state and "UNTRACKED" not in before.state
    tracked = packets.having("state", before.state) if ended else packets
    return tracked.having("connmark", before.connmark)


def _is_untouched(piece: Piece, before: Piece) -> bool:
    # A rule that ends tracking leaves its mark in the state, where no match brings this word in.
    return (piece.turns, piece.change, "UNTRACKED" in piece.packets.state, piece.packets.connmark) == (
        before.turns,
        before.change,
        "UNTRACKED" in before.packets.state,
        before.packets.connmark,
    )


def _covers(piece: Piece, other: Piece) -> bool:
    return piece.change == other.change and bool(piece.unknown) <= bool(other.unknown) and other.packets <= piece.packets
