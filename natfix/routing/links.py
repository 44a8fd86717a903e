"""What a backend has to know of the host it runs on: its devices, and who is on the link."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from natfix.routing.state import Address, Network


@dataclass(frozen=True, slots=True)
class Link:
    """A device of the host.

    Attributes:
        name: ``eth0``.
        mtu: in bytes.
        addresses: with their prefixes, in the kernel's order.
        up: whether it is administratively up.
        kind: what the kernel calls it (``bridge``, ``vxlan``), empty for a plain device.
        point_to_point: whether it has one peer alone (IFF_POINTOPOINT), such as a VPN's.
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
