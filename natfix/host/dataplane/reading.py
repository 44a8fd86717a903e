"""Read the data plane: one question for the devices, one for each family's routes, two or three for each vxlan device."""

from __future__ import annotations

import errno
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv6Interface

from natfix.host.dataplane import decode, encode
from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.channel import Channel
from natfix.host.dataplane.recall import Recall, lasting
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


class Reader:
    """Reads the state of the kernel, again and again.

    Args:
        channel: to ask with.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._routes: Recall[Route] = Recall()
        self._entries: Recall[Neighbour | FdbEntry] = Recall()

    def state(self, networks: Sequence[Network], wanted: Sequence[str]) -> NetState:
        """The routes inside *networks*, and all that is on the vxlan devices of *wanted*.

        Raises:
            HostError: the kernel does not answer.
        """
        devices = list(map(decode.device, self._channel.dump(n.GETLINK, encode.ask_links())))
        names = {device.index: device.name for device in devices}
        there = {device.index: device for device in devices if device.name in wanted and device.kind == "vxlan"}
        entries = self._on({index: names[index] for index in there})
        held = _addresses(self._channel) if there else {}
        return NetState(
            devices=frozenset(device.vxlan(names) for device in there.values()),
            addresses=frozenset(LinkAddress(names[index], one) for index in there for one in held.get(index, ())),
            routes=self._inside(networks, names),
            neighbours=frozenset(entry for entry in entries if isinstance(entry, Neighbour)),
            fdb=frozenset(entry for entry in entries if isinstance(entry, FdbEntry)),
        )

    def _inside(self, networks: Sequence[Network], names: Mapping[int, str]) -> frozenset[Route]:
        inside = Inside(networks)
        families = sorted({n.INET if network.version == 4 else n.INET6 for network in networks})  # noqa: PLR2004
        words = [body for family in families for body in self._channel.dump(n.GETROUTE, encode.ask_routes(family))]
        terms = (names, tuple(networks))
        return frozenset(
            self._routes.read(words, terms, lambda body: decode.routes(body, names) if inside.holds(body) else iter(()))
        )

    def _on(self, near: Mapping[int, str]) -> list[Neighbour | FdbEntry]:
        words = [
            lasting(body)
            for index in near
            for family in (n.INET, n.INET6, n.BRIDGE)
            for body in self._channel.dump(n.GETNEIGH, encode.ask_neighbours(family, index))
        ]
        return list(self._entries.read(words, (near, ()), lambda body: _permanent(body, near)))


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
    below = channel.ask(n.GETLINK, encode.ask_index(device.below)) if device.below else None
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


def _permanent(body: bytes, near: Mapping[int, str]) -> Iterator[Neighbour | FdbEntry]:
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
