"""What becomes of a host's forwarding when something is put there or deleted, as a Linux kernel does it."""

from __future__ import annotations

import errno
from dataclasses import replace

from natfix.routing.links import Links
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice


class RefusedError(Exception):
    """The kernel refuses an operation.

    Attributes:
        code: its error number.
    """

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


def after(state: NetState, host: Links, operation: Operation) -> NetState:
    """Do one operation.

    Args:
        state: what is there.
        host: the devices that are no vxlan devices, and the ways that tell who is on the link.
        operation: what to do.

    Raises:
        RefusedError: with the number that a kernel gives.
    """
    if not operation.put:
        return _without(state, operation.entry)
    match operation.entry:
        case VxlanDevice() as device:
            return _with_device(state, host, device)
        case LinkAddress() as address:
            _need(state, host, address.link)
            return replace(state, addresses=state.addresses | {address})
        case Neighbour() as neighbour:
            _need(state, host, neighbour.link)
            others = (one for one in state.neighbours if (one.link, one.address) != (neighbour.link, neighbour.address))
            return replace(state, neighbours=frozenset({*others, neighbour}))
        case FdbEntry() as entry:
            return _with_fdb_entry(state, host, entry)
        case Route() as route:
            _check(state, host, route)
            return replace(state, routes=_with_route(state.routes, route, operation.replaces))


def without_link(state: NetState, name: str) -> NetState:
    """Take a device away, and all that is on it."""
    down = without_forwarding(state, name)
    return replace(
        down,
        devices=frozenset(one for one in state.devices if name not in {one.name, one.device}),
        addresses=frozenset(one for one in state.addresses if one.link != name),
        fdb=frozenset(one for one in state.fdb if one.link != name),
    )


def without_forwarding(state: NetState, name: str) -> NetState:
    """Take away what goes when a device is set down: its routes and its neighbours."""
    return replace(
        state,
        routes=frozenset(one for one in state.routes if one.link != name),
        neighbours=frozenset(one for one in state.neighbours if one.link != name),
    )


def _without(state: NetState, entry: VxlanDevice | LinkAddress | Route | Neighbour | FdbEntry) -> NetState:
    match entry:
        case VxlanDevice():
            return without_link(state, entry.name) if any(one.name == entry.name for one in state.devices) else state
        case LinkAddress():
            return replace(state, addresses=state.addresses - {entry})
        case Neighbour():
            others = (one for one in state.neighbours if (one.link, one.address) != (entry.link, entry.address))
            return replace(state, neighbours=frozenset(others))
        case FdbEntry():
            return replace(state, fdb=state.fdb - {entry})
        case Route():
            same = {replace(entry, onlink=True), replace(entry, onlink=False)}
            return replace(state, routes=state.routes - same)


def _with_device(state: NetState, host: Links, device: VxlanDevice) -> NetState:
    if host.named(device.device) is None:
        raise RefusedError(errno.ENODEV)
    others = {one for one in state.devices if one.name != device.name}
    old = next((one for one in state.devices if one.name == device.name), device)
    if replace(old, mtu=device.mtu, mac=device.mac, learning=device.learning, up=device.up) != device:
        raise RefusedError(errno.EEXIST)
    if host.named(device.name) or any((one.vni, one.port) == (device.vni, device.port) for one in others):
        raise RefusedError(errno.EEXIST)
    there = state if device.up else without_forwarding(state, device.name)
    if old.mac != device.mac:  # The kernel forgets who is behind a device whose own MAC changes.
        there = replace(there, neighbours=frozenset(one for one in there.neighbours if one.link != device.name))
    return replace(there, devices=frozenset({*others, device}))


def _with_fdb_entry(state: NetState, host: Links, entry: FdbEntry) -> NetState:
    _need(state, host, entry.link)
    others = (one for one in state.fdb if (one.link, one.mac) != (entry.link, entry.mac))
    return replace(state, fdb=frozenset({*others, entry}))


def _need(state: NetState, host: Links, name: str) -> bool:
    """Tell whether a device is up.

    Raises:
        RefusedError: there is none of that name.
    """
    ups = [link.up for link in host.links if link.name == name] + [one.up for one in state.devices if one.name == name]
    if not ups:
        raise RefusedError(errno.ENODEV)
    return ups[0]


def _check(state: NetState, host: Links, route: Route) -> None:
    """Refuse a route whose device is down, or whose gateway is not on its link."""
    if not _need(state, host, route.link):
        raise RefusedError(errno.ENETDOWN)
    if route.gateway is None:
        return
    way = host.way_to(route.gateway)
    if not route.onlink and (way is None or way.gateway is not None or way.link != route.link):
        raise RefusedError(errno.ENETUNREACH if route.gateway.version == 4 else errno.EHOSTUNREACH)  # noqa: PLR2004


def _with_route(routes: frozenset[Route], route: Route, replaces: Route | None) -> frozenset[Route]:
    held = sorted((one for one in routes if (one.destination, one.metric) == (route.destination, route.metric)), key=repr)
    if route in held:
        return routes
    if held and replaces not in held:
        raise RefusedError(errno.EEXIST)
    return routes - {replaces} | {route}
