"""Which device and address peers reach this host by, chosen as flannel chooses it (main.go, pkg/ipmatch/match.go).

Asked in this order, the first that answers is taken::

    --iface (each name or address) ─► --iface-regex ─► --iface-can-reach ─► --public-ip ─► the default route

Where flannel takes the first default route the kernel happens to list, natfix takes the one with the lowest metric.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import TypeVar

from natfix.errors import HostError, UsageError
from natfix.routing.links import Link, Links, Way
from natfix.routing.state import Address

AnyAddress = TypeVar("AnyAddress", bound=IPv4Address | IPv6Address)


@dataclass(frozen=True, slots=True)
class InterfaceWish:
    """What the user says about it.

    Attributes:
        names: devices, by their names or addresses; the first that is there is taken.
        patterns: regular expressions, matched against addresses first and names second.
        reach: an address; the device that the main table's routes lead to it through is taken.
        public_ip: what peers are told instead of the device's own address.
        public_ipv6: the same for IPv6.
    """

    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    reach: Address | None = None
    public_ip: IPv4Address | None = None
    public_ipv6: IPv6Address | None = None


@dataclass(frozen=True, slots=True)
class Outside:
    """How this host is reached.

    Attributes:
        link: the name of the device.
        mtu: of the device.
        ipv4: its own address; None where the cluster has no IPv4.
        ipv6: the same for IPv6.
        public_ip: where peers reach it; differs from *ipv4* behind a NAT.
        public_ipv6: the same for IPv6.
    """

    link: str
    mtu: int
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    public_ip: IPv4Address | None = None
    public_ipv6: IPv6Address | None = None


def choose_outside(links: Links, wish: InterfaceWish, *, ipv4: bool, ipv6: bool) -> Outside:
    """Choose the device, and its address of each family the cluster has.

    Args:
        links: the host's.
        wish: the user's.
        ipv4: whether the cluster has IPv4.
        ipv6: whether it has IPv6.

    Raises:
        UsageError: a pattern is no regular expression.
        HostError: there is no such device, or it has no address of a family that is needed.
    """
    link = _link(links, wish, version=4 if ipv4 else 6)
    own4 = _first(link, IPv4Address) if ipv4 else None
    own6 = _first(link, IPv6Address) if ipv6 else None
    return Outside(
        link=link.name,
        mtu=link.mtu,
        ipv4=own4,
        ipv6=own6,
        public_ip=(wish.public_ip or own4) if ipv4 else None,
        public_ipv6=(wish.public_ipv6 or own6) if ipv6 else None,
    )


def _link(links: Links, wish: InterfaceWish, version: int) -> Link:
    if wish.names or wish.patterns:
        return _named(links.links, wish)
    if wish.reach is not None:
        return _device(links, links.way_to(wish.reach), f"no route of the main table leads to {wish.reach}")
    public = wish.public_ip or wish.public_ipv6
    if public is not None:
        return _with_address(links.links, public)
    defaults = [way for way in links.ways if way.destination.prefixlen == 0 and way.destination.version == version]
    best = min(defaults, key=lambda way: way.metric, default=None)
    return _device(links, best, f"there is no IPv{version} default route, so no device stands out")


def _named(links: Sequence[Link], wish: InterfaceWish) -> Link:
    for name in wish.names:
        for link in links:
            if link.name == name or any(str(one.ip) == name for one in link.addresses):
                return link
    for text in wish.patterns:
        pattern = _pattern(text)
        by_address = (link for link in links if any(pattern.search(str(one.ip)) for one in link.addresses))
        found = next(by_address, None) or next((link for link in links if pattern.search(link.name)), None)
        if found is not None:
            return found
    wanted = " or ".join((*wish.names, *(f"/{text}/" for text in wish.patterns)))
    raise HostError(f"this host has no device {wanted}", hint=_those(links))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"--iface-regex {text} is no regular expression: {error}") from error


def _device(links: Links, way: Way | None, problem: str) -> Link:
    link = None if way is None else links.named(way.link)
    if link is not None:
        return link
    raise HostError(problem, hint=f"Name the device with --iface. {_those(links.links)}")


def _with_address(links: Iterable[Link], address: Address) -> Link:
    known = tuple(links)
    for link in known:
        if any(one.ip == address for one in link.addresses):
            return link
    raise HostError(
        f"no device of this host has the address {address}",
        hint=f"Behind a NAT, name the device with --iface as well. {_those(known)}",
    )


def _those(links: Iterable[Link]) -> str:
    names = ", ".join(link.name for link in links if link.name != "lo")
    return f"There are: {names}." if names else "There is none but lo."


def _first(link: Link, kind: type[AnyAddress]) -> AnyAddress:
    """The first address that others can reach; a link-local one where there is no better."""
    mine = [each.ip for each in link.addresses if isinstance(each.ip, kind)]
    usable = [one for one in mine if not (one.is_loopback or one.is_multicast or one.is_unspecified)]
    for one in sorted(usable, key=lambda address: address.is_link_local):
        return one
    family = "IPv4" if kind is IPv4Address else "IPv6"
    raise HostError(f"{link.name} has no {family} address", hint="Give it one, or choose another device with --iface.")
