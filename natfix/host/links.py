"""The host's interfaces and routes, as the kernel tells them.

Numbers are those of linux/if_link.h, linux/if_addr.h and linux/rtnetlink.h.
"""

from __future__ import annotations

import socket
import struct
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_interface

from natfix.app.ports import Interface, Links, Route
from natfix.host.rtnetlink import GETADDR, GETLINK, GETROUTE, Message, attributes, dump

_LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, hardware, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # struct rtmsg: family, destination's and source's prefix length, tos, table, …
_HOP = struct.Struct("=HBBi")  # struct rtnexthop: length, flags, hops, index

_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO = 3, 10, 18
_IFLA_INFO_KIND = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY, _RTA_MULTIPATH, _RTA_TABLE, _RTA_VIA = 1, 4, 5, 9, 15, 18
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
_RTM_F_CLONED = 0x200
_IPV4_BYTES = 4


class HostLinks(Links):
    """The network namespace this process is in; no rights are needed.

    A route that names a nexthop object has a device only where the kernel resolves it (sysctl nexthop_compat_mode, on by
    default); else it is left out.
    """

    def interfaces(self) -> Sequence[Interface]:
        """Every device, sorted by name.

        Raises:
            HostError: the kernel does not answer.
        """
        links = {message.fields[2]: message.attributes for message in dump(GETLINK, _LINK) if message.attributes}
        addresses = _addresses()
        found = [_interface(index, links, addresses.get(index, ())) for index in links]
        return tuple(sorted(found, key=lambda interface: interface.name))

    def routes(self) -> Sequence[Route]:
        """The unicast routes of the main tables of both families, sorted; one with several next hops is several.

        Raises:
            HostError: the kernel does not answer.
        """
        messages = dump(GETROUTE, _ROUTE)
        names = dict(socket.if_nameindex())
        found = {route for message in messages if _counts(message) for route in _routes(message, names)}
        return in_order(found)


def in_order(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Sort routes by destination, IPv4 first."""
    return tuple(sorted(routes, key=_order))


def _name(link: Mapping[int, bytes]) -> str:
    return _text(link.get(_IFLA_IFNAME, b""))


def _kind(link: Mapping[int, bytes]) -> str:
    return _text(attributes(link.get(_IFLA_LINKINFO, b"")).get(_IFLA_INFO_KIND, b""))


def _text(value: bytes) -> str:
    return value.partition(b"\0")[0].decode("utf-8", "surrogateescape")


def _interface(
    index: int,
    links: Mapping[int, Mapping[int, bytes]],
    addresses: Sequence[IPv4Interface | IPv6Interface],
) -> Interface:
    link = links[index]
    master = links.get(_number(link.get(_IFLA_MASTER, b"")), {})
    bridge = _name(master) if _kind(master) == "bridge" else ""
    return Interface(_name(link), _kind(link), tuple(addresses), bridge)


def _addresses() -> Mapping[int, Sequence[IPv4Interface | IPv6Interface]]:
    """The addresses of each interface, by its index, in the kernel's order."""
    found: dict[int, list[IPv4Interface | IPv6Interface]] = defaultdict(list)
    for message in dump(GETADDR, _ADDRESS):
        _, length, _, _, index = message.fields
        # On a point-to-point link IFA_ADDRESS is the other end; IPv6 sends IFA_LOCAL only then.
        raw = message.attributes.get(_IFA_LOCAL) or message.attributes.get(_IFA_ADDRESS)
        if raw:
            found[index].append(ip_interface((raw, length)))
    return found


def _number(value: bytes) -> int:
    return int.from_bytes(value, sys.byteorder) if value else 0


def _counts(message: Message) -> bool:
    family, table, kind, flags = (message.fields[place] for place in (0, 4, 7, 8))
    number = message.attributes.get(_RTA_TABLE)
    in_main = (_number(number) if number else table) == _RT_TABLE_MAIN
    return family in {socket.AF_INET, socket.AF_INET6} and in_main and kind == _RTN_UNICAST and not flags & _RTM_F_CLONED


def _routes(message: Message, names: Mapping[int, str]) -> Iterator[Route]:
    family, length = message.fields[:2]
    network = IPv4Network if family == socket.AF_INET else IPv6Network
    # The default route has no destination, and an address of no bytes is 0.
    destination = network((int.from_bytes(message.attributes.get(_RTA_DST, b"")), length))
    for index, hop in _hops(message):
        if index in names:
            yield Route(destination, _gateway(hop), names[index])


def _hops(message: Message) -> Iterator[tuple[int, Mapping[int, bytes]]]:
    """Each next hop of a route: the index of its device, and its attributes."""
    several = message.attributes.get(_RTA_MULTIPATH)
    if several is None:
        yield _number(message.attributes.get(_RTA_OIF, b"")), message.attributes
        return
    while len(several) >= _HOP.size:
        length, _, _, index = _HOP.unpack_from(several)
        yield index, attributes(several[_HOP.size : length])
        several = several[max(length, _HOP.size) :]


def _gateway(hop: Mapping[int, bytes]) -> str:
    # RTA_VIA is a gateway of the other family: two bytes that tell which, then its address.
    raw = hop.get(_RTA_GATEWAY) or hop.get(_RTA_VIA, b"")[2:]
    return socket.inet_ntop(socket.AF_INET if len(raw) == _IPV4_BYTES else socket.AF_INET6, raw) if raw else ""


def _order(route: Route) -> tuple[int, int, int, str, str]:
    destination = route.destination
    return (destination.version, int(destination.network_address), destination.prefixlen, route.gateway, route.interface)
