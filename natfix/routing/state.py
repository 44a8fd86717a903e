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
        link: the name of the outgoing device.
        onlink: whether the gateway counts as on the link whatever the addresses say (RTNH_F_ONLINK).
        protocol: who put it there; PROTOCOL for natfix.
        metric: lower wins.
    """

    destination: Network
    gateway: Address | None
    link: str
    onlink: bool = False
    protocol: int = PROTOCOL
    metric: int = 0


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
        put: whether to put it there, else to delete it. What has the same key (a route's destination and metric, a
            neighbour's link and address, …) is replaced in one step, without a moment in which there is none.
        entry: what to put, or what to delete as it is there.
    """

    put: bool
    entry: Entry
