"""What settings, addresses and counters of the kernel say about a nat table; silent where nobody told them."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_interface

from natfix.audit.facts import Route
from natfix.audit.hit import Hit, Statement
from natfix.audit.subject import Subject
from natfix.packets import SOURCE_NAT_TARGETS, Intervals
from natfix.ruleset import Family, Rule, family_of, parse_network

SYSCTL = "sysctl"
_KUBE_PROXY = frozenset({"KUBE-SERVICES", "KUBE-POSTROUTING"})
_STRICT = 1  # Loose is 2; the larger one of all and of the device counts (ip-sysctl.rst, rp_filter).


def forwarding_off(subject: Subject) -> Iterator[Hit]:
    """Forwarding that is turned off on a host with container subnets."""
    name = "net.ipv4.ip_forward" if subject.family is Family.IPV4 else "net.ipv6.conf.all.forwarding"
    if subject.facts.setting(name) == 0:
        for locality in subject.localities[:1]:
            message = f"packets of {', '.join(map(str, locality.networks))} leave this host for nowhere, and none come in"
            yield Hit(_setting(name, 0), message, table=SYSCTL)


def bridge_netfilter_off(subject: Subject) -> Iterator[Hit]:
    """Bridges that do not show iptables what they switch, where kube-proxy's services rely on it."""
    name = f"net.bridge.bridge-nf-call-{'iptables' if subject.family is Family.IPV4 else 'ip6tables'}"
    bridged = any(locality.bridge for locality in subject.localities)
    # Of a live host only what POSTROUTING reaches is read; kube-proxy's part of it is there in each of its iptables modes.
    tables = (subject.table, *(table for table in subject.beside if table.family is subject.family))
    # A table declares 36,000 chains on a host with 100,000 rules.
    kube = any(chain in table.declared for table in tables for chain in _KUBE_PROXY)
    if subject.facts.setting(name) == 0 and bridged and kube:
        message = "an answer from a pod of the same bridge keeps that pod's address, so its caller does not know whose it is"
        yield Hit(_setting(name, 0), message, table=SYSCTL)


def strict_reverse_path(subject: Subject) -> Iterator[Hit]:
    """Devices that drop what comes from a container subnet whose best route leaves by another device."""
    routes = [route for route in subject.facts.routes if _is_into_cluster(subject, route)]
    for wide in routes:
        strict = _reverse_path(subject, wide.device) == _STRICT
        narrow = [
            route for route in routes if route.device != wide.device and _is_part(route, wide) and _leads_far(subject, route)
        ]
        if strict and narrow:
            name = f"net.ipv4.conf.{wide.device}.rp_filter"
            message = f"drops what comes in by {wide.device} from {narrow[0].network}, whose route leaves by {narrow[0].device}"
            yield Hit(_setting(name, _STRICT), message, certain=False, table=SYSCTL)


def ports_under_pressure(subject: Subject) -> Iterator[Hit]:
    """Source NAT that picks ports in order, on a host where connections were lost because two picked the same."""
    lost = subject.facts.counters.get("insert_failed", 0)
    for rule in _source_nat_rules(subject) if lost else ():
        network = rule.network("source")
        named = {option.name for option in rule.target_options}
        if network is not None and subject.is_local(network) and not named & {"random", "random-fully"}:
            yield Hit(
                rule, f"picks source ports in order; {lost} connections found theirs taken (insert_failed)", certain=False
            )


def foreign_address(subject: Subject) -> Iterator[Hit]:
    """SNAT to an address that no device of the host has, so that answers may go elsewhere."""
    known = _addresses(subject)
    for rule in _source_nat_rules(subject) if known else ():
        option = rule.option("to-source", "SNAT")
        try:
            network = parse_network(option.value) if option else None
        except ValueError:  # a range, or ports
            continue
        if network is not None and not Intervals.networks([network]) <= known:
            message = f"gives packets the address {network.network_address}, which no device of this host has"
            yield Hit(rule, message, certain=False)


def _setting(name: str, value: int) -> Statement:
    return Statement("", f"{name} = {value}")


def _source_nat_rules(subject: Subject) -> Iterator[Rule]:
    return (rule for rule in subject.rules if rule.target in SOURCE_NAT_TARGETS)


def _reverse_path(subject: Subject, device: str) -> int:
    """What the kernel does for *device*; 0 unless both settings that decide are known."""
    settings = [subject.facts.setting(f"net.ipv4.conf.{each}.rp_filter") for each in ("all", device)]
    known = [setting for setting in settings if setting is not None]
    return max(known) if len(known) == len(settings) else 0


def _is_into_cluster(subject: Subject, route: Route) -> bool:
    # IPv6 has no such setting. A default route says nothing of the way that the cluster's packets take.
    if subject.family is not Family.IPV4 or family_of(route.network) is not Family.IPV4 or not route.network.prefixlen:
        return False
    return bool(Intervals.networks([route.network]) & subject.cluster_addresses)


def _leads_far(subject: Subject, route: Route) -> bool:
    """Whether a route leads to another host: not to this host's own subnet, nor to one pod, as routes without bridges do."""
    if not route.gateway and route.network.num_addresses == 1:
        return False
    return not Intervals.networks([route.network]) <= subject.local_addresses


def _is_part(inner: Route, outer: Route) -> bool:
    whole = Intervals.networks([outer.network])
    return inner.network != outer.network and Intervals.networks([inner.network]) <= whole


def _addresses(subject: Subject) -> Intervals:
    """Every address of the host; those of the other family are no ones of these."""
    found = [ip_interface(text).ip for texts in subject.facts.addresses.values() for text in texts]
    return Intervals.of((int(each), int(each)) for each in found if each.version == subject.family)
