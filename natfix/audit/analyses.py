"""What the rule files cannot say in fields: pure functions from a subject to the rules that stand out, by name.

The walk decides. A rule is found because some packet that must keep its source loses it there, never because of how the
rule is spelled; the analyses below only sort what the walk has found into kinds that need different cures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from natfix.audit.boot import brought_back, frozen_chains, undone_at_boot, unsaved_correction
from natfix.audit.docker import docker_drops_direct, docker_drops_unpublished
from natfix.audit.exclusions import late_exclusion, returned_exclusion
from natfix.audit.forwarding import forward_closed, forward_policy_drop, nat_policy_drop
from natfix.audit.hidden import hidden
from natfix.audit.hit import Analysis, Hit
from natfix.audit.kernel import (
    bridge_netfilter_off,
    foreign_address,
    forwarding_off,
    ports_under_pressure,
    strict_reverse_path,
)
from natfix.audit.marks import unset_mark
from natfix.audit.neighbours import family_left_out, split_backends, unreadable_table
from natfix.audit.reach import contradicted_rule, duplicate_rule, never_matches, redundant_rule
from natfix.audit.subject import Subject, bridge_of, excluded_destination
from natfix.packets import SOURCE_NAT_TARGETS, Intervals
from natfix.ruleset import Network, Rule, has_host_bits, same_meaning


def over_broad_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules made for a container subnet that also rewrite its traffic to the rest of the cluster."""
    for hit in hidden(subject):
        if _purpose(hit, subject) == "containers" and corrected_twin(hit.rule, subject) is None:
            yield hit


def broad_beside_corrected(subject: Subject) -> Iterator[Hit]:
    """Over-broad rules whose corrected form stands in the same chain: what a Docker restart leaves behind."""
    for hit in hidden(subject):
        twin = corrected_twin(hit.rule, subject)
        if twin is not None:
            yield replace(
                hit, message=f"{hit.message}; its corrected form, rule {twin.number} of the same chain, is of no effect"
            )


def host_wide_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules that rewrite whatever leaves the host, container traffic to the rest of the cluster included."""
    for hit in hidden(subject):
        if _purpose(hit, subject) == "host":
            yield hit


def in_cluster_source_nat(subject: Subject) -> Iterator[Hit]:
    """Rules that somebody made for traffic inside the cluster: without it nothing would be left of them."""
    for hit in hidden(subject):
        if _purpose(hit, subject) == "cluster":
            yield hit


def hidden_source(subject: Subject) -> Iterator[Hit]:
    """Rules that take the source of a packet between container subnets, whatever they were made for."""
    return (hit for hit in hidden(subject) if corrected_twin(hit.rule, subject) is None)


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


def service_calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark what this host's pods send to services, for whom they spare are others."""
    if subject.table.declared.keys().isdisjoint(_MARKING_CALLS):
        return
    from natfix.audit.services import calls_hidden  # noqa: PLC0415  (start-up time: most tables hold nothing such)

    yield from calls_hidden(subject)


def all_service_calls_hidden(subject: Subject) -> Iterator[Hit]:
    """Rules of kube-proxy that mark what anybody sends to services."""
    if subject.table.declared.keys().isdisjoint(_MARKING_CALLS):
        return
    from natfix.audit.services import all_calls_hidden  # noqa: PLC0415  (as above)

    yield from all_calls_hidden(subject)


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


def _purpose(hit: Hit, subject: Subject) -> Literal["cluster", "containers", "host"]:
    """What the rule was made for, by the addresses that it, or a jump that leads to it, names.

    Traffic inside the cluster, when a destination lies in it whole; a container subnet of this host, when a source does,
    whichever way packets come to it.
    """
    ways = [tuple(_leading(outcome.path)) for outcome in hit.outcomes]
    if any(Intervals.networks([network]) <= subject.cluster_addresses for way in ways for network in _destinations(way)):
        return "cluster"
    return "containers" if all(any(_is_for_local(rule, subject) for rule in way) for way in ways) else "host"


def _is_for_local(rule: Rule, subject: Subject) -> bool:
    """Whether all sources that *rule* names, in a set or by itself, are container subnets of this host."""
    sources = tuple(subject.sources_of(rule))
    return bool(sources) and all(map(subject.is_local, sources))


def _leading(path: Sequence[Rule]) -> Iterator[Rule]:
    """The last rule of *path* and the jumps that it is reached by; not those into chains that packets have left again."""
    chain = path[-1].target
    for rule in reversed(path):
        if rule.target == chain:
            yield rule
            chain = rule.chain


def _destinations(way: Iterable[Rule]) -> Iterator[Network]:
    return (network for rule in way if (network := rule.network("destination")) is not None)


def _source_nat_rules(subject: Subject) -> Iterator[Rule]:
    return (rule for rule in subject.rules if rule.target in SOURCE_NAT_TARGETS)


def _covers(outer: Network, inner: Network) -> bool:
    return Intervals.networks([inner]) <= Intervals.networks([outer])


def _meets_cluster(subject: Subject, network: Network) -> bool:
    return bool(Intervals.networks([network]) & subject.cluster_addresses)


# The chains by which kube-proxy marks, in the mode of iptables and that of nft.
_MARKING_CALLS = frozenset({"KUBE-MARK-MASQ", "mark-for-masquerade"})
ANALYSES: Mapping[str, Analysis] = MappingProxyType(
    {
        "over-broad-source-nat": over_broad_source_nat,
        "broad-beside-corrected": broad_beside_corrected,
        "host-wide-source-nat": host_wide_source_nat,
        "in-cluster-source-nat": in_cluster_source_nat,
        "hidden-source": hidden_source,
        "stale-bridge-subnet": stale_bridge_subnet,
        "wrong-exclusion": wrong_exclusion,
        "docker-drops-direct": docker_drops_direct,
        "docker-drops-unpublished": docker_drops_unpublished,
        "late-exclusion": late_exclusion,
        "returned-exclusion": returned_exclusion,
        "never-matches": never_matches,
        "duplicate-rule": duplicate_rule,
        "redundant-rule": redundant_rule,
        "contradicted-rule": contradicted_rule,
        "unset-mark": unset_mark,
        "service-calls-hidden": service_calls_hidden,
        "all-service-calls-hidden": all_service_calls_hidden,
        "nat-policy-drop": nat_policy_drop,
        "forward-policy-drop": forward_policy_drop,
        "forward-closed": forward_closed,
        "forwarding-off": forwarding_off,
        "bridge-netfilter-off": bridge_netfilter_off,
        "strict-reverse-path": strict_reverse_path,
        "ports-under-pressure": ports_under_pressure,
        "foreign-address": foreign_address,
        "frozen-chains": frozen_chains,
        "brought-back": brought_back,
        "unsaved-correction": unsaved_correction,
        "undone-at-boot": undone_at_boot,
        "split-backends": split_backends,
        "unreadable-table": unreadable_table,
        "family-left-out": family_left_out,
    }
)
HIDING = frozenset({"over-broad-source-nat", "host-wide-source-nat", "in-cluster-source-nat", "hidden-source"})
"""Analyses that sort the same rules: of two audit rules that find one by them, the one that names its author is told."""
CALLS = frozenset({"service-calls-hidden", "all-service-calls-hidden"})
"""Analyses of what kube-proxy marks."""
