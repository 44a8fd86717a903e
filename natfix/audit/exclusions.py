"""Exclusions of no effect: somebody wrote ACCEPT or RETURN for the cluster, and packets go another way."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.audit.hidden import hidden
from natfix.audit.hit import Hit
from natfix.audit.subject import HOOK, Locality, Subject
from natfix.packets import Fate, Intervals, Outcome, walk
from natfix.ruleset import Rule

_KEEPING = frozenset({"ACCEPT", "RETURN"})


def late_exclusion(subject: Subject) -> Iterator[Hit]:
    """Exclusions that stand behind the rule that rewrites what they are made for."""
    rewriting = frozenset(hit.rule for hit in hidden(subject))
    for locality in subject.localities if rewriting else ():
        packets = subject.protected(locality)
        for outcome in walk(subject.table, HOOK, packets, skip=rewriting) if packets else ():
            rule = outcome.path[-1] if outcome.path else None
            if outcome.fate is Fate.ACCEPT and rule is not None and _is_exclusion(rule, subject):
                yield from _overtaken(locality, rule, walk(subject.table, HOOK, outcome.packets))


def _overtaken(locality: Locality, rule: Rule, now: tuple[Outcome, ...]) -> Iterator[Hit]:
    """The exclusion *rule*, when as things stand all its packets are surely rewritten and never come to it."""
    decider = now[0].rule
    if decider is None or any(each.fate is not Fate.SOURCE_NAT or not each.certain or rule in each.path for each in now):
        return
    message = f"keeps the addresses of {_named(locality)}, but rule {decider.number} of {decider.chain} rewrites them before"
    yield Hit(rule, message, locality=locality, outcomes=now, behind=decider)


def returned_exclusion(subject: Subject) -> Iterator[Hit]:
    """Exclusions by RETURN out of a chain whose caller goes on to a rule that rewrites."""
    for hit in hidden(subject):
        for outcome in hit.outcomes if hit.behind is None else ():
            for rule in outcome.path[:-1]:
                if rule.target == "RETURN" and outcome.certain and _is_exclusion(rule, subject):
                    message = f"only leaves {rule.chain}; later rule {hit.rule.number} of {hit.rule.chain} still rewrites"
                    yield Hit(rule, message, locality=hit.locality, outcomes=(outcome,))


def _is_exclusion(rule: Rule, subject: Subject) -> bool:
    """Whether *rule* lets packets be because of an address in the cluster."""
    if rule.target not in _KEEPING:
        return False
    networks = [network for name in ("source", "destination") if (network := rule.network(name)) is not None]
    return any(network.prefixlen and Intervals.networks([network]) & subject.cluster_addresses for network in networks)


def _named(locality: Locality) -> str:
    return ", ".join(map(str, locality.networks))
