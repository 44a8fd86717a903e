"""What the kernel tells, as values of the routing core."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network, ip_address, ip_interface
from typing import TypeAlias

from natfix.host.dataplane import numbers as n
from natfix.host.dataplane.messages import attributes
from natfix.routing.links import Link
from natfix.routing.state import Address, FdbEntry, Neighbour, Network, Route, VxlanDevice

Names: TypeAlias = Mapping[int, str]
_IPV4_BYTES = 4


@dataclass(frozen=True, slots=True)
class Device:
    """A device as the kernel tells it: its index, its flags, its attributes."""

    index: int
    flags: int
    told: Mapping[int, bytes]

    @property
    def name(self) -> str:
        """Its name."""
        return _text(self.told.get(n.IFLA_IFNAME, b""))

    @property
    def mtu(self) -> int:
        """Its MTU in bytes."""
        return number(self.told.get(n.IFLA_MTU, b""))

    @property
    def mac(self) -> str:
        """Its link-layer address."""
        return self.told.get(n.IFLA_ADDRESS, b"").hex(":")

    @property
    def up(self) -> bool:
        """Whether it is administratively up."""
        return bool(self.flags & n.IFF_UP)

    @property
    def kind(self) -> str:
        """What the kernel calls it; empty for a plain device."""
        return _text(self._info().get(n.IFLA_INFO_KIND, b""))

    @property
    def below(self) -> int:
        """Of a vxlan device, the index of the one that carries it."""
        return number(self._data().get(n.VXLAN_LINK, b""))

    def link(self, addresses: tuple[IPv4Interface | IPv6Interface, ...]) -> Link:
        """It as a link with its addresses."""
        alone = bool(self.flags & (n.IFF_POINTOPOINT | n.IFF_NOARP))
        return Link(self.name, self.mtu, addresses, self.up, self.kind, alone)

    def vxlan(self, names: Names) -> VxlanDevice:
        """It as a vxlan device; with no device below it if natfix would never make it so, which makes it differ."""
        data = self._data()
        odd = n.VXLAN_GROUP in data or n.VXLAN_GROUP6 in data or any(any(data.get(each, b"")) for each in n.VXLAN_ODD)
        local = data.get(n.VXLAN_LOCAL) or data.get(n.VXLAN_LOCAL6) or bytes(_IPV4_BYTES)
        return VxlanDevice(
            self.name,
            number(data.get(n.VXLAN_ID, b"")),
            "" if odd else names.get(self.below, ""),
            ip_address(local),
            int.from_bytes(data.get(n.VXLAN_PORT, b""), "big"),
            self.mtu,
            self.mac,
            learning=any(data.get(n.VXLAN_LEARNING, b"")),
            gbp=n.VXLAN_GBP in data,
            up=self.up,
        )

    def _info(self) -> Mapping[int, bytes]:
        return attributes(self.told.get(n.IFLA_LINKINFO, b""))

    def _data(self) -> Mapping[int, bytes]:
        return attributes(self._info().get(n.IFLA_INFO_DATA, b""))


def number(value: bytes) -> int:
    """Read a number in the machine's own byte order."""
    return int.from_bytes(value, sys.byteorder)


def device(body: bytes) -> Device:
    """Read a link."""
    _, _, index, flags, _ = n.LINK.unpack_from(body)
    return Device(index, flags, attributes(body, n.LINK.size))


@dataclass(frozen=True, slots=True)
class Held:
    """An address of a device: the device's index, the address, its scope, and whether it may go by itself."""

    index: int
    address: IPv4Interface | IPv6Interface
    scope: int
    passing: bool


def address(body: bytes) -> Held | None:
    """Read an address of a link; None for one that is no IP address."""
    family, length, flags, scope, index = n.ADDRESS.unpack_from(body)
    told = attributes(body, n.ADDRESS.size)
    # On a point-to-point link IFA_ADDRESS is the other end; IPv6 sends IFA_LOCAL only then.
    raw = told.get(n.IFA_LOCAL) or told.get(n.IFA_ADDRESS)
    if family not in {n.INET, n.INET6} or not raw:
        return None
    flags = number(told.get(n.IFA_FLAGS, b"")) or flags
    passing = n.IFA_DEPRECATED | n.IFA_TENTATIVE | (n.IFA_TEMPORARY if family == n.INET6 else 0)
    return Held(index, ip_interface((raw, length)), scope, bool(flags & passing))


def routes(body: bytes, names: Names) -> Iterator[Route]:
    """Read a route of the main table: one for each of its next hops, none if it is no route of its own."""
    family, length, _, _, table, protocol, _, kind, flags = n.ROUTE.unpack_from(body)
    if (kind != n.UNICAST and kind not in n.NOWHERE) or flags & n.CLONED:
        return
    told = attributes(body, n.ROUTE.size)
    if (number(told[n.RTA_TABLE]) if n.RTA_TABLE in told else table) != n.TABLE_MAIN or family not in {n.INET, n.INET6}:
        return
    to = destination(family, told.get(n.RTA_DST, b""), length)
    metric = number(told.get(n.RTA_PRIORITY, b""))
    if family == n.INET6 and metric == n.DEFAULT_METRIC6:
        metric = 0
    for index, hop_flags, hop in hops(told, flags):
        link = names.get(index, "") if kind == n.UNICAST else ""
        yield Route(to, gateway(hop), link, bool(hop_flags & n.ONLINK), protocol, metric)


def protocol(body: bytes) -> int:
    """Who put a route there, before it is read whole."""
    return int(n.ROUTE.unpack_from(body)[5])


def out(body: bytes) -> int:
    """The index of the device that a route leads over, before it is read whole; 0 if it has several."""
    return number(attributes(body, n.ROUTE.size).get(n.RTA_OIF, b""))


def destination(family: int, raw: bytes, length: int) -> Network:
    """Read a network; the default route has no bytes."""
    value = int.from_bytes(raw, "big")
    return IPv4Network((value, length)) if family == n.INET else IPv6Network((value, length))


def hops(told: Mapping[int, bytes], flags: int) -> Iterator[tuple[int, int, Mapping[int, bytes]]]:
    """Give each next hop of a route: the index of its device, its flags, its attributes."""
    several = told.get(n.RTA_MULTIPATH)
    if several is None:
        yield number(told.get(n.RTA_OIF, b"")), flags, told
        return
    while len(several) >= n.HOP.size:
        length, hop_flags, _, index = n.HOP.unpack_from(several)
        yield index, hop_flags, attributes(several[:length], n.HOP.size)
        several = several[max((length + 3) & ~3, n.HOP.size) :]


def gateway(hop: Mapping[int, bytes]) -> Address | None:
    """Read a next hop; RTA_VIA is one of the other family: two bytes that tell which, then its address."""
    raw = hop.get(n.RTA_GATEWAY) or hop.get(n.RTA_VIA, b"")[2:]
    if not raw:
        return None
    return IPv4Address(raw) if len(raw) == _IPV4_BYTES else IPv6Address(raw)


def neighbour(body: bytes, names: Names) -> Neighbour | FdbEntry | None:
    """Read a permanent neighbour or FDB entry; None for any other."""
    family, index, state, _, _ = n.NEIGHBOUR.unpack_from(body)
    if not state & n.NUD_PERMANENT or index not in names:
        return None
    return entry(family, names[index], body)


def entry(family: int, link: str, body: bytes) -> Neighbour | FdbEntry | None:
    """Read a neighbour or FDB entry, whatever its state; None for one that leads to no address."""
    told = attributes(body, n.NEIGHBOUR.size)
    mac, raw = told.get(n.NDA_LLADDR, b"").hex(":"), told.get(n.NDA_DST)
    if not raw:
        return None
    return FdbEntry(link, mac, ip_address(raw)) if family == n.BRIDGE else Neighbour(link, ip_address(raw), mac)


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")
