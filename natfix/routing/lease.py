"""Leases: which host has which subnet, and how it is reached.

Source: flannel, pkg/lease/lease.go and pkg/subnet/etcd/registry.go.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Literal

from natfix.routing.subnet import Subnet


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a host tells its peers with its lease.

    Attributes:
        public_ip: where its peers reach it; a reservation has none.
        public_ipv6: the same for IPv6.
        backend_type: ``host-gw``, ``vxlan``, or what flannel knows beside; empty for backends without one (``alloc``).
        backend_data: such as ``{"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"}``; None where there is none.
        backend_v6_data: the same for IPv6.
    """

    public_ip: IPv4Address | None = None
    public_ipv6: IPv6Address | None = None
    backend_type: str = ""
    backend_data: Mapping[str, Any] | None = field(default=None, hash=False)
    backend_v6_data: Mapping[str, Any] | None = field(default=None, hash=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """One host's hold on a subnet.

    Attributes:
        subnet: what it holds; unique in a store.
        attributes: who holds it.
        revision: the store's own version of this entry, for compare-and-swap; 0 for one that is not in a store.
        reserved: whether it is a reservation: a key without a lease, which never expires and belongs to no host.
        expires: in seconds since 1970; None for a reservation, and where the store was not asked.
    """

    subnet: Subnet
    attributes: Attributes = Attributes()
    revision: int = 0
    reserved: bool = False
    expires: float | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one lease, as a store tells it.

    Attributes:
        kind: ``put`` for a new or changed one, ``gone`` for one deleted or expired.
        lease: as it is now; of one that is gone the subnet alone counts.
    """

    kind: Literal["put", "gone"]
    lease: Lease


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a store holds at one moment.

    Attributes:
        leases: every lease and reservation, sorted by subnet.
        revision: of the store as a whole: what a watch goes on from.
        unreadable: entries that are none, each with the reason, for people; they hold no subnet back.
    """

    leases: tuple[Lease, ...]
    revision: int
    unreadable: tuple[str, ...] = ()
