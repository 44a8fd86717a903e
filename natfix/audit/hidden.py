"""What takes the source of packets that must keep it: the walk that most analyses begin with, made once for a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TypeVar

from natfix.audit.hit import Hit
from natfix.audit.subject import Locality, Subject
from natfix.packets import Fate, Outcome, PacketSet
from natfix.ruleset import Rule

_Found = TypeVar("_Found")


def once(function: Callable[[Subject], Iterable[_Found]]) -> Callable[[Subject], tuple[_Found, ...]]:
    """Let what *function* finds in a subject be worked out once, however many analyses ask for it."""

    def remembered(subject: Subject) -> tuple[_Found, ...]:
        if function not in subject.made:
            subject.made[function] = tuple(function(subject))
        made: tuple[_Found, ...] = subject.made[function]
        return made

    return remembered


@once
def hidden(subject: Subject) -> Iterator[Hit]:
    """Every rule that takes the source of a protected packet, those that now stand behind another one included."""
    for locality in subject.localities:
        packets = subject.protected(locality)
        if packets is not None:
            ordinary = [_hit(*layer, locality) for layer in _layers(subject, packets)]
            known = frozenset(hit.rule for hit in ordinary)
            marked = _marked(subject, packets, locality, known) if subject.before else ()
            for hit in (*ordinary, *marked):
                yield from _copies(subject, hit)


def _marked(subject: Subject, packets: PacketSet, locality: Locality, known: frozenset[Rule]) -> Iterator[Hit]:
    """The rules beside those *known* that meet some of *packets* because other tables mark them before."""
    from natfix.audit.arrival import arrivals  # noqa: PLC0415  (start-up time: on most hosts nothing is asked before)

    found: dict[Rule, Hit] = {}
    for arrival in arrivals(subject, packets, locality):
        if arrival.fate is Fate.DROP or arrival.lost or not arrival.marked:
            continue
        for rule, outcomes, behind in _layers(subject, arrival.packets):
            doubted = tuple(replace(each, unknown=(*each.unknown, *arrival.doubts)) for each in outcomes)
            if rule not in known:
                before = found.get(rule)
                marked = tuple(dict.fromkeys((*(before.marked if before else ()), *arrival.marked)))
                hit = _hit(rule, (*(before.outcomes if before else ()), *doubted), behind, locality)
                first = arrival.first if before is None or before.first == arrival.first else None
                message = f"{hit.message}, as {arrival.marked[-1]} marks them"
                found[rule] = replace(hit, message=message, marked=marked, first=first)
    yield from found.values()


def _layers(subject: Subject, packets: PacketSet) -> Iterator[tuple[Rule, tuple[Outcome, ...], Rule | None]]:
    """What rewrites *packets*, what would if those rules were not there, and so on; with the rule that comes first now."""
    skipped: frozenset[Rule] = frozenset()
    while hits := _decided(subject.sent(packets, skip=skipped)):
        for rule, outcomes in hits.items():
            alone = outcomes
            if not any_certain(outcomes):
                # It may be in doubt only because of another source NAT rule before it, which hides as much.
                found = _decided(subject.sent(packets, skip=skipped | (hits.keys() - {rule}))).get(rule, ())
                alone = found if any_certain(found) else outcomes
            first = not skipped and alone is outcomes
            yield rule, alone, None if first else _decider(subject, rule, alone)
        skipped |= hits.keys()


def _decider(subject: Subject, rule: Rule, outcomes: Iterable[Outcome]) -> Rule | None:
    """The rule that rewrites these packets as things stand, when it is another than *rule*."""
    deciding = (other for outcome in outcomes for other in _decided(subject.sent(outcome.packets)))
    return next((other for other in deciding if other != rule), None)


def any_certain(outcomes: Iterable[Outcome]) -> bool:
    """Whether one of *outcomes* is sure."""
    return any(outcome.certain for outcome in outcomes)


def _decided(outcomes: tuple[Outcome, ...]) -> dict[Rule, tuple[Outcome, ...]]:
    decided: dict[Rule, tuple[Outcome, ...]] = {}
    for outcome in outcomes:
        if outcome.fate is Fate.SOURCE_NAT and outcome.rule is not None:
            decided[outcome.rule] = (*decided.get(outcome.rule, ()), outcome)
    return decided


def _hit(rule: Rule, outcomes: tuple[Outcome, ...], behind: Rule | None, locality: Locality) -> Hit:
    certain = any_certain(outcomes)
    networks = ", ".join(map(str, locality.networks[:3])) + (", …" if len(locality.networks) > 3 else "")  # noqa: PLR2004
    verb = "hides" if certain else "may hide"
    return Hit(rule, f"{verb} the addresses of {networks} from the rest of the cluster", certain, locality, outcomes, behind)


def _copies(subject: Subject, hit: Hit) -> Iterator[Hit]:
    """The hit, and one for every other copy of its rule."""
    chain = subject.table.chain(hit.rule.chain)
    for rule in chain.rules if chain else ():
        if rule == hit.rule:
            behind = hit.behind if rule.line == hit.rule.line else hit.rule
            yield replace(hit, rule=rule, behind=behind)
