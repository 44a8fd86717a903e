"""What the rule files cannot say in fields: pure functions from a subject to the rules that stand out, by name.

The walk decides. A rule is found because some packet that must keep its source loses it there, never because of how the
rule is spelled; the analyses below only sort what the walk has found into kinds that need different cures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from natfix.audit.docker import docker_drops_direct, docker_drops_unpublished
from natfix.audit.hit import Analysis, Hit
from natfix.audit.subject import HOOK, Locality, Subject, bridge_of, excluded_destination
from natfix.packets import SOURCE_NAT_TARGETS, Fate, Intervals, Outcome, PacketSet, walk
from natfix.ruleset import Network, Rule, has_host_bits, same_meaning


def over_broad_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules made for a container subnet that also rewrite its traffic to the rest of the cluster."""
    for hit in _hidden(subject):
        if _purpose(hit, subject) == "containers" and corrected_twin(hit.rule, subject) is None:
            yield hit


def broad_beside_corrected(subject: Subject) -> Iterator[Hit]:
    """Over-broad rules whose corrected form stands in the same chain: what a Docker restart leaves behind."""
    for hit in _hidden(subject):
        twin = corrected_twin(hit.rule, subject)
        if twin is not None:
            yield replace(
                hit, message=f"{hit.message}; its corrected form, rule {twin.number} of the same chain, is of no effect"
            )


def host_wide_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules that rewrite whatever leaves the host, container traffic to the rest of the cluster included."""
    for hit in _hidden(subject):
        if _purpose(hit, subject) == "host":
            yield hit


def in_cluster_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules that somebody made for traffic inside the cluster: without it nothing would be left of them."""
    for hit in _hidden(subject):
        if _purpose(hit, subject) == "cluster":
            yield hit


def stale_bridge_subnet(subject: Subject) -> Iterator[Hit]:
    """Source NAT rules for a subnet that their bridge no longer has."""
    return _stale_on_host(subject) if subject.has_host else _stale_by_rules(subject)


def _stale_on_host(subject: Subject) -> Iterator[Hit]:
    for rule in _source_nat_rules(subject):
        if subject.is_stale(rule):
            bridge = bridge_of(rule)
            has = ", ".join(map(str, subject.bridges.get(bridge, ()))) or "no address, or is gone"
            yield Hit(rule, f"serves {rule.network('source')}, but {bridge} has {has}")


def _stale_by_rules(subject: Subject) -> Iterator[Hit]:
    """Without the host, two rules for one bridge that disagree say that one of them is left over, not which."""
    served: dict[str, tuple[Rule, Network]] = {}
    for rule in _source_nat_rules(subject):
        bridge, source = bridge_of(rule), rule.network("source")
        if bridge and source is not None:
            other, network = served.setdefault(bridge, (rule, source))
            if not Intervals.networks([source]) & Intervals.networks([network]):
                message = f"serves {source}, but rule {other.number} serves {network} on the same {bridge}; one is left over"
                yield Hit(rule, message, certain=False)


def wrong_exclusion(subject: Subject) -> Iterator[Hit]:
    """Corrected rules whose exclusion is itself a mistake."""
    for rule in _source_nat_rules(subject):
        option, excluded, source = rule.destination, excluded_destination(rule), rule.network("source")
        if option is None or excluded is None:
            continue
        if not excluded.prefixlen:
            yield Hit(
                rule, f"excludes every destination with ! -d {option.value}: it rewrites nothing, outside access is broken"
            )
        elif has_host_bits(option.value):
            yield Hit(rule, f"says ! -d {option.value}, which has bits beyond its prefix; iptables reads it as {excluded}")
        elif source is not None and not _covers(excluded, source) and _meets_cluster(subject, excluded):
            yield Hit(rule, f"excludes {excluded}, which its own source {source} does not lie in", certain=False)


def corrected_twin(rule: Rule, subject: Subject) -> Rule | None:
    """The rule of the same chain that is *rule* with the whole cluster excluded as its destination."""
    if rule.destination is not None:
        return None
    chain = subject.table.chain(rule.chain)
    for other in chain.rules if chain else ():
        excluded = excluded_destination(other)
        if excluded is None or not subject.cluster_addresses <= Intervals.networks([excluded]):
            continue
        if same_meaning(without_destination(other), rule):
            return other
    return None


def without_destination(rule: Rule) -> Rule:
    """The rule without its ``-d`` or ``! -d``."""
    option = rule.destination
    if option is None:
        return rule
    return Rule(rule.chain, f"{rule.spec[: option.start]}{rule.spec[option.stop :].lstrip()}".rstrip())


def _hidden(subject: Subject) -> Iterator[Hit]:
    """Every rule that takes the source of a protected packet, those that now stand behind another one included."""
    for locality in subject.localities:
        packets = subject.protected(locality)
        if packets is not None:
            for rule, outcomes, behind in _layers(subject, packets):
                yield from _copies(subject, _hit(rule, outcomes, locality, behind))


def _layers(subject: Subject, packets: PacketSet) -> Iterator[tuple[Rule, tuple[Outcome, ...], Rule | None]]:
    """What rewrites *packets*, what would if those rules were not there, and so on; with the rule that comes first now."""
    skipped: frozenset[Rule] = frozenset()
    while hits := _decided(walk(subject.table, HOOK, packets, skip=skipped)):
        for rule, outcomes in hits.items():
            alone = outcomes
            if not _any_certain(outcomes):
                # It may be in doubt only because of another source NAT rule before it, which hides as much.
                found = _decided(walk(subject.table, HOOK, packets, skip=skipped | (hits.keys() - {rule}))).get(rule, ())
                alone = found if _any_certain(found) else outcomes
            first = not skipped and alone is outcomes
            yield rule, alone, None if first else _decider(subject, rule, alone)
        skipped |= hits.keys()


def _decider(subject: Subject, rule: Rule, outcomes: Iterable[Outcome]) -> Rule | None:
    """The rule that rewrites these packets as things stand, when it is another than *rule*."""
    deciding = (other for outcome in outcomes for other in _decided(walk(subject.table, HOOK, outcome.packets)))
    return next((other for other in deciding if other != rule), None)


def _any_certain(outcomes: Iterable[Outcome]) -> bool:
    return any(outcome.certain for outcome in outcomes)


def _decided(outcomes: tuple[Outcome, ...]) -> dict[Rule, tuple[Outcome, ...]]:
    decided: dict[Rule, tuple[Outcome, ...]] = {}
    for outcome in outcomes:
        if outcome.fate is Fate.SOURCE_NAT and outcome.rule is not None:
            decided[outcome.rule] = (*decided.get(outcome.rule, ()), outcome)
    return decided


def _hit(rule: Rule, outcomes: tuple[Outcome, ...], locality: Locality, behind: Rule | None) -> Hit:
    certain = _any_certain(outcomes)
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


def _purpose(hit: Hit, subject: Subject) -> Literal["cluster", "containers", "host"]:
    """What the rule was made for, by the addresses that it, or a jump that leads to it, names.

    Traffic inside the cluster, when a destination lies in it whole; a container subnet of this host, when a source does.
    """
    path = hit.outcomes[0].path
    destinations = [network for rule in path if (network := rule.network("destination")) is not None]
    if any(Intervals.networks([network]) <= subject.cluster_addresses for network in destinations):
        return "cluster"
    sources = [network for rule in path if (network := rule.network("source")) is not None]
    return "containers" if any(map(subject.is_local, sources)) else "host"


def _source_nat_rules(subject: Subject) -> Iterator[Rule]:
    return (rule for rule in subject.rules if rule.target in SOURCE_NAT_TARGETS)


def _covers(outer: Network, inner: Network) -> bool:
    return Intervals.networks([inner]) <= Intervals.networks([outer])


def _meets_cluster(subject: Subject, network: Network) -> bool:
    return bool(Intervals.networks([network]) & subject.cluster_addresses)


ANALYSES: Mapping[str, Analysis] = MappingProxyType(
    {
        "over-broad-source-nat": over_broad_source_nat,
        "broad-beside-corrected": broad_beside_corrected,
        "host-wide-source-nat": host_wide_source_nat,
        "in-cluster-source-nat": in_cluster_source_nat,
        "stale-bridge-subnet": stale_bridge_subnet,
        "wrong-exclusion": wrong_exclusion,
        "docker-drops-direct": docker_drops_direct,
        "docker-drops-unpublished": docker_drops_unpublished,
    }
)
