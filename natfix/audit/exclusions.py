"""Exclusions of no effect: somebody wrote ACCEPT or RETURN for the cluster, and packets go another way."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.audit.hidden import hidden, once
from natfix.audit.hit import Hit
from natfix.audit.subject import Locality, Subject
from natfix.packets import Fate, Intervals, Outcome, PacketSet
from natfix.packets.walk import Visit
from natfix.ruleset import Rule

_KEEPING = frozenset({"ACCEPT", "RETURN"})


def late_exclusion(subject: Subject) -> Iterator[Hit]:
    """Exclusions that stand behind the rule that rewrites what they are made for."""
    rewriting = frozenset(hit.rule for hit in hidden(subject))
    for locality in subject.localities if rewriting else ():
        packets = subject.protected(locality)
        met = _met(subject, packets, rewriting) if packets else ()
        yield from (hit for rule, parts in met for hit in _overtaken(subject, locality, rule, parts))


def _overtaken(subject: Subject, locality: Locality, rule: Rule, parts: tuple[PacketSet, ...]) -> Iterator[Hit]:
    """The exclusion *rule*, when as things stand all its packets are surely rewritten and never come to it."""
    now = tuple(outcome for part in parts for outcome in subject.sent(part))
    decider = now[0].rule
    rewritten = all(each.fate is Fate.SOURCE_NAT and each.certain for each in now)
    if decider is not None and rewritten and not any(rule == each for part in parts for each, _ in _met(subject, part)):
        named = ", ".join(map(str, locality.networks))
        message = f"keeps the addresses of {named}, but rule {decider.number} of {decider.chain} rewrites them before"
        yield Hit(rule, message, locality=locality, outcomes=now, behind=decider)


def returned_exclusion(subject: Subject) -> Iterator[Hit]:
    """Exclusions by RETURN out of a chain whose caller goes on to a rule that rewrites."""
    for hit in hidden(subject):
        for outcome in hit.outcomes if hit.behind is None else ():
            # None of them is an ACCEPT: that would have ended the walk.
            for rule, _ in _met(subject, outcome.packets) if outcome.certain else ():
                yield _returned(rule, hit, outcome)


def _returned(rule: Rule, hit: Hit, outcome: Outcome) -> Hit:
    message = f"only leaves {rule.chain}; later rule {hit.rule.number} of {hit.rule.chain} still rewrites"
    return Hit(rule, message, locality=hit.locality, outcomes=(outcome,))


def _met(
    subject: Subject, packets: PacketSet, skip: frozenset[Rule] = frozenset()
) -> tuple[tuple[Rule, tuple[PacketSet, ...]], ...]:
    """The exclusions that some of *packets* surely match on their way, each with the part it matches."""
    exclusions = _exclusions(subject)
    if not exclusions:
        return ()
    found: dict[Rule, tuple[PacketSet, ...]] = {}

    def seen(visit: Visit) -> None:
        if visit.parted.inside and not visit.parted.unknown and not visit.piece.unknown and visit.rule in exclusions:
            found[visit.rule] = (*found.get(visit.rule, ()), *(piece.packets for piece in visit.parted.inside))

    subject.sent(packets, skip=skip, seen=seen)
    return tuple(found.items())


@once
def _exclusions(subject: Subject) -> Iterator[Rule]:
    """The rules that let packets be because of an address in the cluster."""
    for rule in subject.rules:
        networks = [rule.network(name) for name in ("source", "destination")] if rule.target in _KEEPING else []
        if any(each and each.prefixlen and Intervals.networks([each]) & subject.cluster_addresses for each in networks):
            yield rule
