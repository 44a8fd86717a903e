"""What the kernel forwards by, as values: links, addresses, routes, neighbours and FDB entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Final, TypeAlias

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# The number in `ip route show proto 110`: who put a route there. flannel uses 3 (boot), kube-router 17, Calico 80.
PROTOCOL: Final = 110
FLANNEL_PROTOCOL: Final = 3


@dataclass(frozen=True, slots=True)
class VxlanDevice:
    """A vxlan device (ip-link(8)).

    Attributes:
        name: ``flannel.1``; ``flannel-v6.1`` for IPv6.
        vni: 1 to 16777215.
        device: the name of the link that carries the tunnel.
        local: this host's own end.
        port: UDP; 8472 where the kernel chooses.
        mtu: in bytes.
        mac: this end's VTEP address, ``c6:d2:32:6f:8f:44``.
        learning: whether the kernel learns FDB entries from traffic.
        gbp: group policy extension.
        up: whether it is administratively up; one that is down forwards nothing.
    """

    name: str
    vni: int
    device: str
    local: Address
    port: int
    mtu: int
    mac: str
    learning: bool = False
    gbp: bool = False
    up: bool = True


@dataclass(frozen=True, slots=True)
class LinkAddress:
    """An address of a link."""

    link: str
    address: IPv4Interface | IPv6Interface


@dataclass(frozen=True, slots=True)
class Route:
    """A unicast route of the main table.

    Attributes:
        destination: a peer's subnet.
        gateway: the next hop; None for one that is directly on the link.
        link: the name of the outgoing device; empty for a route that leads nowhere, such as a blackhole.
        onlink: whether the gateway counts as on the link whatever the addresses say (RTNH_F_ONLINK).
        protocol: who put it there; PROTOCOL for natfix.
        metric: lower wins; 0 is what the kernel takes when it is told none, which is 1024 in IPv6.
    """

    destination: Network
    gateway: Address | None
    link: str
    onlink: bool = False
    protocol: int = PROTOCOL
    metric: int = 0

    def __hash__(self) -> int:
        # A destination has one route, or few; to take in all the rest makes a set of routes three times as slow.
        return hash(self.destination)


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A permanent ARP or ND entry."""

    link: str
    address: Address
    mac: str


@dataclass(frozen=True, slots=True)
class FdbEntry:
    """A permanent forwarding entry of a vxlan device: frames for *mac* go to the host *remote*."""

    link: str
    mac: str
    remote: Address


@dataclass(frozen=True, slots=True)
class NetState:
    """A part of what the kernel forwards by: all that is wanted, or all that is there."""

    devices: frozenset[VxlanDevice] = field(default=frozenset())
    addresses: frozenset[LinkAddress] = field(default=frozenset())
    routes: frozenset[Route] = field(default=frozenset())
    neighbours: frozenset[Neighbour] = field(default=frozenset())
    fdb: frozenset[FdbEntry] = field(default=frozenset())

    def __or__(self, other: NetState) -> NetState:
        """All that is in one or the other."""
        return NetState(
            self.devices | other.devices,
            self.addresses | other.addresses,
            self.routes | other.routes,
            self.neighbours | other.neighbours,
            self.fdb | other.fdb,
        )


Entry: TypeAlias = VxlanDevice | LinkAddress | Route | Neighbour | FdbEntry


@dataclass(frozen=True, slots=True)
class Operation:
    """One step on the kernel.

    Attributes:
        put: whether to put it there, else to delete it. What has the same key (a neighbour's link and address, an FDB
            entry's link and MAC, …) is replaced in one step, without a moment in which there is none.
        entry: what to put, or what to delete as it is there.
        replaces: of a route, the one whose place it takes, with the same destination and metric. A route that somebody else
            has put there in the meantime stays, and the operation fails.
    """

    put: bool
    entry: Entry
    replaces: Route | None = None
