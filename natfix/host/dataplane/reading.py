"""Read the data plane: one question for the devices, one for each family's routes, two or three for each vxlan device."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from natfix.host.dataplane import decode, encode
from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.channel import Channel
from natfix.routing.links import Links, Way
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Network, Route, VxlanDevice

_FEW = 32
# What a kernel says of an address that no route leads to, or one that leads nowhere.
_NO_MATCH = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ESRCH, errno.ENOENT})


def links(channel: Channel, networks: Sequence[Network]) -> Links:
    """Every device, and every way of the main tables outside *networks*.

    Raises:
        HostError: the kernel does not answer.
    """
    devices = list(map(decode.device, channel.dump(n.GETLINK, encode.ask_links())))
    names = {device.index: device.name for device in devices}
    held = _addresses(channel)
    inside = Inside(networks)
    ways = (
        Way(route.destination, route.gateway, route.link, route.metric)
        for family in (n.INET, n.INET6)
        for body in channel.dump(n.GETROUTE, encode.ask_routes(family))
        if not inside.holds(body)
        for route in decode.routes(body, names)
        if route.link
    )
    found = tuple(sorted(set(ways), key=_order))
    return Links(tuple(device.link(held.get(device.index, ())) for device in devices), found)


def state(channel: Channel, networks: Sequence[Network], wanted: Sequence[str]) -> NetState:
    """The routes inside *networks*, and all that is on the vxlan devices of *wanted*.

    Raises:
        HostError: the kernel does not answer.
    """
    devices = list(map(decode.device, channel.dump(n.GETLINK, encode.ask_links())))
    names = {device.index: device.name for device in devices}
    there = {device.index: device for device in devices if device.name in wanted and device.kind == "vxlan"}
    near = {index: names[index] for index in there}
    entries = [entry for index in there for entry in _on(channel, index, near)]
    return NetState(
        devices=frozenset(device.vxlan(names) for device in there.values()),
        addresses=frozenset(
            LinkAddress(name, address)
            for index, addresses in (_addresses(channel) if there else {}).items()
            for name in [near.get(index)]
            if name
            for address in addresses
        ),
        routes=frozenset(routes(channel, networks, names)),
        neighbours=frozenset(entry for entry in entries if isinstance(entry, Neighbour)),
        fdb=frozenset(entry for entry in entries if isinstance(entry, FdbEntry)),
    )


def routes(channel: Channel, networks: Sequence[Network], names: Mapping[int, str]) -> Iterator[Route]:
    """The routes of the main tables inside *networks*.

    Raises:
        HostError: the kernel does not answer.
    """
    inside = Inside(networks)
    for family in sorted({n.INET if network.version == 4 else n.INET6 for network in networks}):  # noqa: PLR2004
        for body in channel.dump(n.GETROUTE, encode.ask_routes(family)):
            if inside.holds(body):
                yield from decode.routes(body, names)


def there(channel: Channel, wanted: Iterable[Route], names: Mapping[int, str]) -> set[Route]:
    """Those of *wanted* that the main tables hold, exactly so.

    A few are looked up one by one, which costs the same however many routes there are; what such a look-up does not settle,
    as when a more specific route answers, and what is many, is looked for in all routes.

    Raises:
        HostError: the kernel does not answer.
    """
    missing = set(wanted)
    if len(missing) <= _FEW:
        missing -= {route for one in tuple(missing) for route in _matched(channel, one, names)}
    if not missing:
        return set(wanted)
    asked = {_spelled(route) for route in missing}
    found = {
        route
        for family in sorted({family for family, _, _ in asked})
        for body in channel.dump(n.GETROUTE, encode.ask_routes(family))
        if (body[0], body[1], _destination(body)) in asked
        for route in decode.routes(body, names)
    }
    return set(wanted) - (missing - found)


def _matched(channel: Channel, route: Route, names: Mapping[int, str]) -> Iterator[Route]:
    answer = channel.ask(n.GETROUTE, encode.ask_match(route.destination), absent=_NO_MATCH)
    return iter(()) if answer is None else decode.routes(answer, names)


def _spelled(route: Route) -> tuple[int, int, bytes]:
    to = route.destination
    family = n.INET if to.version == 4 else n.INET6  # noqa: PLR2004
    return family, to.prefixlen, to.network_address.packed if to.prefixlen else b""


class Inside:
    """Tells of a route's message whether its destination is inside one of *networks*, before it is read whole."""

    def __init__(self, networks: Iterable[Network]) -> None:
        self._networks = [
            (
                n.INET if network.version == 4 else n.INET6,  # noqa: PLR2004
                network.prefixlen,
                network.max_prefixlen - network.prefixlen,
                int(network.network_address) >> (network.max_prefixlen - network.prefixlen),
            )
            for network in networks
        ]

    def holds(self, body: bytes) -> bool:
        """Tell it."""
        family, length = body[0], body[1]
        for version, shortest, shift, prefix in self._networks:
            if version == family and length >= shortest:
                start = int.from_bytes(_destination(body), "big")
                if start >> shift == prefix:
                    return True
        return False


def vxlan(channel: Channel, device: decode.Device) -> VxlanDevice:
    """Read a vxlan device that was asked for alone: the one below it is known by its index.

    Raises:
        HostError: the kernel does not answer.
    """
    below = channel.ask(n.GETLINK, encode.ask_index(device.below))
    return device.vxlan({} if below is None else {device.below: decode.device(below).name})


def _destination(body: bytes) -> bytes:
    """The destination of a route, which the kernel tells after the table: no need to read the rest."""
    position, end = n.ROUTE.size, len(body) - 4
    while position <= end:
        length, number = n.ATTRIBUTE.unpack_from(body, position)
        if number == n.RTA_DST:
            return body[position + 4 : position + length]
        position += max((length + 3) & ~3, 4)
    return b""


def _on(channel: Channel, index: int, near: Mapping[int, str]) -> Iterator[Neighbour | FdbEntry]:
    for family in (n.INET, n.INET6, n.BRIDGE):
        for body in channel.dump(n.GETNEIGH, encode.ask_neighbours(family, index)):
            entry = decode.neighbour(body, near)
            if entry is not None:
                yield entry


def _addresses(channel: Channel) -> Mapping[int, tuple[IPv4Interface | IPv6Interface, ...]]:
    """The addresses of each device by its index, in the kernel's order; those that may go by themselves come last."""
    found: dict[int, list[decode.Held]] = defaultdict(list)
    for body in channel.dump(n.GETADDR, encode.ask_addresses()):
        held = decode.address(body)
        if held is not None:
            found[held.index].append(held)
    return {
        index: tuple(held.address for held in sorted(several, key=lambda held: held.passing))
        for index, several in found.items()
    }


def _order(way: Way) -> tuple[int, int, int, int, str, str]:
    to = way.destination
    return to.version, int(to.network_address), to.prefixlen, way.metric, way.link, str(way.gateway)
