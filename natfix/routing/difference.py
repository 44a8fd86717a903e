"""From what is there to what is wanted: the operations, in an order that never leads a packet where nobody awaits it.

Put first, delete last. What is put goes from the ground up (device, address, forwarding entry, neighbour, route), so that a
route is used only when all below it is there; what is deleted goes the other way. A device that has to be made anew is the
exception: it is deleted first, and all that was on it is put again.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

from natfix.routing.state import (
    FLANNEL_PROTOCOL,
    PROTOCOL,
    Address,
    Entry,
    FdbEntry,
    LinkAddress,
    Neighbour,
    NetState,
    Network,
    Operation,
    Route,
    VxlanDevice,
)

# A device as flannel names it, for IPv4 or IPv6 and by its VNI.
TUNNEL: Final = re.compile(r"flannel(?:-v6)?\.(?P<vni>[0-9]+)")


@dataclass(frozen=True, slots=True)
class Domain:
    """What is natfix's to change beside what bears its own protocol number.

    Attributes:
        pools: the cluster's networks, each with the prefix length of its subnets.
        links: the devices that routes to peers lead over.
    """

    pools: frozenset[tuple[Network, int]] = frozenset()
    links: frozenset[str] = frozenset()

    def owns(self, route: Route) -> bool:
        """Tell whether a route is natfix's, or one that flannel left behind.

        flannel puts no name on its routes: theirs is the number that ``ip route add`` uses too. So one counts as flannel's
        only if it looks so in every way: to one host's subnet of the cluster, with a gateway, without a metric, over the
        right device; or into a tunnel with flannel's name, as flannel leads there, whatever is configured by now.
        """
        if route.protocol == PROTOCOL:
            return True
        if route.protocol != FLANNEL_PROTOCOL or route.metric or route.gateway is None:
            return False
        to = route.destination
        into_tunnel = route.onlink and route.gateway == to.network_address and TUNNEL.fullmatch(route.link)
        if route.link not in self.links and not into_tunnel:
            return False
        return any(to.prefixlen == length and _in(to.network_address, network) for network, length in self.pools)

    def holds(self, held: LinkAddress) -> bool:
        """Tell whether an address of natfix's own device is natfix's: in the cluster's network, if that is known."""
        address = held.address.ip
        if not self.pools:
            return not address.is_link_local
        return any(_in(address, network) for network, _ in self.pools)


OWN_ALONE: Final = Domain()


def diff(actual: NetState, desired: NetState, domain: Domain = OWN_ALONE) -> tuple[Operation, ...]:
    """Compute the operations that lead from *actual* to *desired*.

    Foreign routes stay, and no route is put in the place of one; see obstacles.

    Args:
        actual: what is there, or was wanted until now.
        desired: what shall be there; no two entries with the same key.
        domain: whose routes are natfix's to change.
    """
    anew = tuple(_devices_to_make_anew(actual, desired))
    there, desired = _without_what_agrees(_after_devices(actual, desired, frozenset(anew)), desired)
    put, deleted = _routes(there.routes, desired.routes, domain)
    return (
        *_operations(anew, put=False),
        *_operations(desired.devices - there.devices, put=True),
        *_operations(desired.addresses - there.addresses, put=True),
        *_operations(desired.fdb - there.fdb, put=True),
        *_operations(desired.neighbours - there.neighbours, put=True),
        *put,
        *deleted,
        *_operations(_too_many(there, desired, domain), put=False),
    )


def obstacles(actual: NetState, desired: NetState, domain: Domain = OWN_ALONE) -> tuple[Route, ...]:
    """The foreign routes that are where a wanted route should be: same destination, same metric; sorted."""
    wanted = set(map(_key, desired.routes - actual.routes))
    found = (one for one in actual.routes if _key(one) in wanted and not domain.owns(one))
    return tuple(sorted(found, key=_order))


def _in(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


def _devices_to_make_anew(actual: NetState, desired: NetState) -> Iterator[VxlanDevice]:
    """Those that differ in what cannot be changed while they are there."""
    wanted = {device.name: device for device in desired.devices}
    for there in actual.devices:
        device = wanted.get(there.name)
        if device and replace(there, mtu=device.mtu, mac=device.mac, learning=device.learning, up=device.up) != device:
            yield there


def _after_devices(actual: NetState, desired: NetState, anew: frozenset[VxlanDevice]) -> NetState:
    """What is left when devices have been made and changed: one made anew has nothing, a new MAC costs the neighbours."""
    macs = {device.name: device.mac for device in desired.devices}
    gone = {device.name for device in anew}
    forgotten = gone | {device.name for device in actual.devices if macs.get(device.name, device.mac) != device.mac}
    if not forgotten:
        return actual
    return NetState(
        actual.devices - anew,
        frozenset(one for one in actual.addresses if one.link not in gone),
        frozenset(one for one in actual.routes if one.link not in gone),
        frozenset(one for one in actual.neighbours if one.link not in forgotten),
        frozenset(one for one in actual.fdb if one.link not in gone),
    )


def _without_what_agrees(there: NetState, desired: NetState) -> tuple[NetState, NetState]:
    """Leave out kinds of which all is as it should be: mostly all kinds are, and to find that out needs no keys."""
    agree = {
        kind: frozenset[Any]() for kind in ("routes", "neighbours", "fdb") if getattr(there, kind) == getattr(desired, kind)
    }
    return replace(there, **agree), replace(desired, **agree)


def _routes(
    actual: frozenset[Route], desired: frozenset[Route], domain: Domain
) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    """The routes to put, each in the place of the one with its key, and those to delete."""
    new = sorted(desired - actual, key=_order)
    old: dict[tuple[Network, int], list[Route]] = defaultdict(list)
    for route in sorted(actual - desired, key=_order):
        old[_key(route)].append(route)
    put = []
    for route in new:
        held = old.get(_key(route), [])
        if all(map(domain.owns, held)):
            put.append(Operation(put=True, entry=route, replaces=held[0] if held else None))
            # Of several with one key the kernel replaces the first it finds: the others, whichever they are, are deleted.
            old[_key(route)] = held if len(held) > 1 else []
    deleted = (route for several in old.values() for route in several if domain.owns(route))
    return tuple(put), tuple(_operations(deleted, put=False))


def _too_many(there: NetState, desired: NetState, domain: Domain) -> Iterator[Entry]:
    """What nobody wants, from the top down; what is on a device that goes, goes with it."""
    stays = {device.name for device in desired.devices}
    neighbours = {(one.link, one.address) for one in desired.neighbours}
    macs = {(one.link, one.mac) for one in desired.fdb}
    gone = {device.name for device in there.devices} - stays
    nobodys = (one for one in there.neighbours - desired.neighbours if (one.link, one.address) not in neighbours)
    yield from _sorted(one for one in nobodys if one.link not in gone)
    unwanted = (one for one in there.fdb - desired.fdb if (one.link, one.mac) not in macs)
    yield from _sorted(one for one in unwanted if one.link not in gone)
    spare = (one for one in there.addresses - desired.addresses if domain.holds(one))
    yield from _sorted(one for one in spare if one.link not in gone)
    yield from _sorted(one for one in there.devices if one.name in gone)


def _operations(entries: Iterable[Entry], *, put: bool) -> Iterator[Operation]:
    ordered = _sorted(entries) if isinstance(entries, frozenset) else entries
    return (Operation(put, entry) for entry in ordered)


def _sorted(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=_order)


def _key(route: Route) -> tuple[Network, int]:
    return route.destination, route.metric


def _order(entry: Entry) -> tuple[str | int, ...]:
    match entry:
        case Route():
            to, gateway = entry.destination, entry.gateway
            place = (to.version, int(to.network_address), to.prefixlen, entry.metric)
            return (*place, entry.link, 0 if gateway is None else int(gateway), entry.protocol, entry.onlink)
        case Neighbour():
            return entry.link, entry.address.version, int(entry.address), entry.mac
        case LinkAddress():
            held = entry.address
            return entry.link, held.version, int(held.ip), held.network.prefixlen
        case FdbEntry():
            return entry.link, entry.mac, entry.remote.version, int(entry.remote)
    return (entry.name,)
