"""What Docker's own filters do to packets that other hosts route to containers, from Docker 28 on.

Docker drops what comes to a container's own address instead of to a port of the host, at two gates::

    raw PREROUTING    -d ADDRESS ! -i BRIDGE -j DROP    for each container; in 28.0 and 28.1 for its published ports alone
    filter DOCKER     ! -i BRIDGE -o BRIDGE -j DROP     for each bridge, behind an ACCEPT for each published port

Between hosts that route container subnets to each other every packet is such a one (moby 28.5,
daemon/libnetwork/drivers/bridge/internal/iptabler/endpoint.go and network.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from natfix.audit.hit import Hit
from natfix.audit.subject import Locality, Subject, bridge_of
from natfix.packets import Fate, Intervals, Names, Outcome, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.ruleset import Network, Option, Rule, Table

DOCKER = "DOCKER"
_NAMED = 3  # How many addresses a message names.


class _Gate(NamedTuple):
    """One place where Docker drops packets.

    Attributes:
        table: its table.
        hook: the chain where packets come in.
        is_dockers: whether a rule is one that Docker drops packets with there.
        at: the packets as they are there.
    """

    table: str
    hook: str
    is_dockers: Callable[[Rule], bool]
    at: Callable[[PacketSet], PacketSet]

    def dockers(self, outcomes: Iterable[Outcome]) -> tuple[Outcome, ...]:
        """Those of *outcomes* that a rule of Docker's decides."""
        return tuple(each for each in outcomes if each.fate is Fate.DROP and each.rule and self.is_dockers(each.rule))


def docker_drops_direct(subject: Subject) -> Iterator[Hit]:
    """Docker's rules that drop what comes to a container's own address, before it is routed."""
    for locality, outcomes, sure in _dropped(subject, _RAW):
        networks = {str(rule.network("destination")): None for each in outcomes if (rule := each.rule)}
        shown = [network.removesuffix(f"/{subject.family.width}") for network in list(networks)[:_NAMED]]
        named = ", ".join(shown) + (", …" if len(networks) > _NAMED else "")
        yield _hit(_RAW, locality, outcomes, f"what other hosts of the cluster send to {named} itself", sure=sure)


def docker_drops_unpublished(subject: Subject) -> Iterator[Hit]:
    """Docker's rules that drop what is routed to a bridge, published ports apart."""
    for locality, outcomes, sure in _dropped(subject, _FILTER):
        what = f"what other hosts of the cluster send to the containers of {locality.bridge}, but for published ports"
        yield _hit(_FILTER, locality, outcomes, what, sure=sure)


def _hit(gate: _Gate, locality: Locality, outcomes: tuple[Outcome, ...], what: str, *, sure: bool) -> Hit:
    certain = sure and any(outcome.certain for outcome in outcomes)
    rule = outcomes[0].rule
    assert rule is not None, "only what a rule drops is found"  # noqa: S101
    return Hit(rule, f"{'drops' if certain else 'may drop'} {what}", certain, locality, outcomes, table=gate.table)


def _dropped(subject: Subject, gate: _Gate) -> Iterator[tuple[Locality, tuple[Outcome, ...], bool]]:
    """For each bridge what Docker drops at *gate*, and whether all that comes before was read."""
    table = subject.filtering.get(gate.table)
    if table is None:
        return
    for locality in _localities(subject):
        packets = coming_in(subject, locality)
        outcomes, sure = _drops(table, gate, packets) if packets else ((), True)
        if packets and outcomes and not _let_in(subject, table, gate, packets):
            yield locality, outcomes, sure


def _drops(table: Table, gate: _Gate, packets: PacketSet) -> tuple[tuple[Outcome, ...], bool]:
    """What of *packets* Docker drops at *gate*, and whether all that leads there was read."""
    coming = gate.at(packets)
    found = walk(table, gate.hook, coming)
    drops = gate.dockers(found)
    unread = any(words.startswith("-j ") for outcome in found for words in outcome.unknown)
    if drops or not (unread or table.chain(gate.hook) is None):
        return drops, True
    return gate.dockers(walk(table, DOCKER, coming)), False


def _let_in(subject: Subject, table: Table, gate: _Gate, packets: PacketSet) -> bool:
    """Whether somebody opened the gate for a device by its name: without the host nobody knows that it is the uplink."""
    if subject.has_host:
        return False
    rules = (rule for chain in table.reached_from(gate.hook) for rule in chain.rules)
    named = {option.value for rule in rules if (option := rule.in_interface) and _is_one(option)}
    devices = sorted(named - {"lo", *(locality.bridge for locality in _localities(subject)), *map(bridge_of, subject.rules)})
    return any(not _drops(table, gate, packets.having("in_interface", Names(device)))[0] for device in devices)


def _is_one(option: Option) -> bool:
    return not option.negated and not option.value.endswith("+")


def coming_in(subject: Subject, locality: Locality) -> PacketSet | None:
    """Ordinary packets from the rest of the cluster to *locality*, by the best uplink; None when there are none."""
    source = subject.cluster_addresses - subject.local_addresses - locality.addresses - _at_home(subject, locality.bridge)
    if not source:
        return None
    uplink = next((name for name in subject.devices if name != "lo"), None)
    anywhere = (Names().excluding("lo") or Names()).excluding(locality.bridge)
    return PacketSet(
        family=subject.family,
        source=source,
        destination=locality.addresses,
        out_interface=Names(locality.bridge),
        mark=Bits(),
        connmark=Bits(),
        source_type=frozenset({"UNICAST"}),
        destination_type=frozenset({"UNICAST"}),
        state=frozenset({"NEW"}),
        in_interface=Names(uplink) if uplink else anywhere,
    )


def _at_home(subject: Subject, bridge: str) -> Intervals:
    """The subnets that source NAT rules name together with *bridge*: what comes from there comes by no uplink."""
    return Intervals.networks(
        network for rule in subject.rules if bridge_of(rule) == bridge and (network := rule.network("source"))
    )


def _localities(subject: Subject) -> Iterator[Locality]:
    """Container subnets behind bridges, and single containers that no other rule tells of."""
    yield from (locality for locality in subject.localities if locality.bridge)
    raw = subject.filtering.get(_RAW.table)
    chain = raw.chain(_RAW.hook) if raw else None
    found: dict[str, list[Network]] = {}
    for rule in filter(_is_direct, chain.rules if chain else ()):
        network, device = rule.network("destination"), rule.in_interface
        if network and device and subject.in_cluster(network) and not _covers(subject.local_addresses, network):
            found.setdefault(device.value, []).append(network)
    yield from (Locality(tuple(networks), bridge) for bridge, networks in found.items())


def _covers(addresses: Intervals, network: Network) -> bool:
    return Intervals.networks([network]) <= addresses


def _is_direct(rule: Rule) -> bool:
    device, network = rule.in_interface, rule.network("destination")
    return rule.target == "DROP" and device is not None and device.negated and network is not None


def _is_unpublished(rule: Rule) -> bool:
    coming, leaving = rule.in_interface, rule.out_interface
    if rule.chain != DOCKER or rule.target != "DROP" or coming is None or leaving is None:
        return False
    return (coming.negated, leaving.negated) == (True, False) and coming.value == leaving.value


def _before_routing(packets: PacketSet) -> PacketSet:
    """The packets at raw PREROUTING: no device to leave by is known, and no connection (xt_conntrack.c, conntrack_mt)."""
    return packets.having("out_interface", Names("")).having("state", frozenset({"INVALID"}))


def _forwarded(packets: PacketSet) -> PacketSet:
    return packets


_RAW = _Gate("raw", "PREROUTING", _is_direct, _before_routing)
_FILTER = _Gate("filter", "FORWARD", _is_unpublished, _forwarded)
