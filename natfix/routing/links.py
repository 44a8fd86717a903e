"""What a backend has to know of the host it runs on: its devices, and who is on the link."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface
from typing import TypeAlias

from natfix.routing.state import Address, Network

# The best way to each network: by IP version and prefix length, the longest first, then by the network's first address.
_Index: TypeAlias = tuple[tuple[int, int, Mapping[int, "Way"]], ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A device of the host.

    Attributes:
        name: ``eth0``.
        mtu: in bytes.
        addresses: with their prefixes, in the kernel's order.
        up: whether it is administratively up.
        kind: what the kernel calls it (``bridge``, ``vxlan``), empty for a plain device.
        point_to_point: whether no neighbours can be found on it, such as a tunnel's or a VPN's (IFF_POINTOPOINT, IFF_NOARP).
    """

    name: str
    mtu: int
    addresses: tuple[IPv4Interface | IPv6Interface, ...] = ()
    up: bool = True
    kind: str = ""
    point_to_point: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """A unicast route of the main table, as far as it decides who is on the link.

    Attributes:
        destination: a network; ``0.0.0.0/0`` for the default route.
        gateway: the next hop; None for what is directly on the link.
        link: the name of the outgoing device.
        metric: lower wins.
    """

    destination: Network
    gateway: Address | None
    link: str
    metric: int = 0


@dataclass(frozen=True, slots=True)
class Links:
    """The devices and ways of a host at one moment; ways inside the cluster's network are not among them."""

    links: tuple[Link, ...] = ()
    ways: tuple[Way, ...] = ()
    _index: _Index = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, "_index", _index(self.ways))

    def named(self, name: str) -> Link | None:
        """The device of that name, if there is one."""
        return next((link for link in self.links if link.name == name), None)

    def way_to(self, address: Address) -> Way | None:
        """The way that packets to *address* take: the longest prefix, of several the lowest metric, of these the first."""
        number, version, bits = int(address), address.version, address.max_prefixlen
        for family, length, ways in self._index:
            if family == version:
                way = ways.get(number >> (bits - length) << (bits - length))
                if way is not None:
                    return way
        return None


def _index(ways: tuple[Way, ...]) -> _Index:
    found: dict[tuple[int, int], dict[int, Way]] = {}
    for way in sorted(ways, key=lambda way: way.metric):
        network = way.destination
        found.setdefault((network.version, network.prefixlen), {}).setdefault(int(network.network_address), way)
    return tuple((version, length, found[version, length]) for version, length in sorted(found, reverse=True))
