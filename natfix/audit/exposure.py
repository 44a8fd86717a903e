"""Which of the packets of a finding really come to its rule as things stand: what other tables and the guard do before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from natfix.audit.arrival import Arrival, Loss, arrivals
from natfix.audit.guard import Guard
from natfix.audit.hit import Hit
from natfix.audit.subject import Subject
from natfix.packets import Fate, Outcome
from natfix.packets.bits import Bits
from natfix.packets.trace import Standing


@dataclass(frozen=True, slots=True)
class Exposure:
    """What of a finding's packets is left.

    Attributes:
        outcomes: of packets that come to the rule; with the marks they had at first.
        loss: why the others do not; None where all do.
        first: the rule of another table that rewrites all that is left before; this one would take over.
    """

    outcomes: tuple[Outcome, ...]
    loss: Loss | None = None
    first: Standing | None = None


def as_sent(hit: Hit) -> Hit:
    """The hit with its packets as they were sent: with no mark yet."""
    return replace(hit, outcomes=tuple(map(_as_sent, hit.outcomes)))


def exposure(subject: Subject, hit: Hit, guard: Guard | None) -> Exposure:
    """Look what of the packets of *hit* comes to its rule.

    What only may be kept from it is two arrivals, of which one comes.
    """
    found = _Found(subject, hit, guard)
    for outcome in hit.outcomes:
        found.take(outcome)
    firsts = set(found.firsts)
    return Exposure(tuple(found.kept), found.loss, firsts.pop() if len(firsts) == 1 else None)


@dataclass
class _Found:
    """What is left so far."""

    subject: Subject
    hit: Hit
    guard: Guard | None
    kept: list[Outcome] = field(default_factory=list)
    firsts: list[Standing | None] = field(default_factory=list)
    loss: Loss | None = None

    def take(self, outcome: Outcome) -> None:
        for arrival in self._arrivals(outcome):
            if arrival.lost is not None:
                self._lose(arrival.lost)
            else:
                self._keep(outcome, arrival)

    def _arrivals(self, outcome: Outcome) -> tuple[Arrival, ...]:
        locality = self.hit.locality
        if self.hit.marked or locality is None or self.hit.table != "nat" or outcome.fate is not Fate.SOURCE_NAT:
            return (Arrival(outcome.packets, first=self.hit.first),)
        return arrivals(self.subject, outcome.packets, locality)

    def _lose(self, loss: Loss) -> None:
        self.loss = self.loss or loss

    def _keep(self, outcome: Outcome, arrival: Arrival) -> None:
        met = list(self._met(outcome, arrival))
        if not met and arrival.marked:
            self._lose(Loss(str(arrival.marked[-1]), "marks them, and what has this mark does not come to this rule"))
        for each, unknown in met:
            missed = self.guard.missed(each.packets) if self.guard else (each.packets,)
            if not missed and self.guard:
                self._lose(Loss(self.guard.name, "binds these packets first"))
            doubted = replace(outcome, unknown=tuple(dict.fromkeys((*outcome.unknown, *unknown))))
            self.kept += [_as_sent(replace(doubted, packets=packets)) for packets in missed]
            self.firsts += [None if arrival.doubts else arrival.first for _ in missed]

    def _met(self, outcome: Outcome, arrival: Arrival) -> Iterator[tuple[Arrival, tuple[str, ...]]]:
        """What of it meets the rule with the mark that it has by now, and what leaves that in doubt."""
        if not arrival.marked or self.hit.marked or self.hit.behind is not None:
            yield arrival, ()
            return
        for each in self.subject.sent(arrival.packets):
            if each.fate is outcome.fate and each.rule == outcome.rule:
                yield replace(arrival, packets=each.packets), each.unknown


def _as_sent(outcome: Outcome) -> Outcome:
    """The outcome of the same packets, with no mark yet, nor one of their connection."""
    return replace(outcome, packets=outcome.packets.having("mark", Bits()).having("connmark", Bits()))
