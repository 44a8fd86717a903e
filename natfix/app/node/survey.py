"""What this host should have, by what the lease store says now: for those who look, without an agent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from natfix.app.node.forwarding import HostBackend
from natfix.app.node.interface import InterfaceWish, Outside, choose_outside
from natfix.app.node.ports import DataPlane, LeaseStore
from natfix.errors import HostError
from natfix.routing.allocation import belongs_to
from natfix.routing.backends import Here, Peering, backend_of
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Link, Links
from natfix.routing.network import NetworkConfig


@dataclass(frozen=True, slots=True)
class Survey:
    """A host and its peers at one moment.

    Attributes:
        config: of the network.
        links: the host's.
        own: its lease.
        backend: how it reaches its peers.
        peers: the leases of all others, sorted by subnet, each with what it wants of this host.
    """

    config: NetworkConfig
    links: Links
    own: Lease
    backend: HostBackend
    peers: tuple[tuple[Lease, Peering], ...]


def survey(store: LeaseStore, plane: DataPlane, wish: InterfaceWish) -> Survey:
    """Ask the store, and find this host among its leases.

    Raises:
        HostError: no network is configured, or this host has no lease.
        ConfigError: the configuration is none that a host could work with.
    """
    text = store.config()
    if text is None:
        raise HostError("no network is configured in the lease store", hint="See: natfix net set --help")
    config = NetworkConfig.parse(text)
    links = plane.links(config.networks)
    leases = store.snapshot().leases
    outside, own = _find(config, links, leases, wish)
    data, data6 = own.attributes.backend_data or {}, own.attributes.backend_v6_data or {}
    link = links.named(outside.link) or Link(outside.link, outside.mtu)
    here = Here(own.subnet, link, outside.ipv4, outside.ipv6, _mac(data), _mac(data6))
    backend = backend_of(config, here)
    others = [
        replace(lease, reserved=False) for lease in leases if lease.subnet != own.subnet and lease.attributes.backend_type
    ]
    return Survey(config, links, own, backend, tuple((lease, backend.peer(lease, links)) for lease in others))


def _find(config: NetworkConfig, links: Links, leases: Iterable[Lease], wish: InterfaceWish) -> tuple[Outside, Lease]:
    """The lease that is told at an address of this host; what the user says is believed first."""
    known = tuple(leases)
    said = wish != InterfaceWish()
    names = [""] if said else [link.name for link in links.links if link.addresses and not link.name.startswith("lo")]
    for name in names:
        try:
            outside = choose_outside(
                links, wish if said else InterfaceWish((name,)), ipv4=config.ipv4 is not None, ipv6=config.ipv6 is not None
            )
        except HostError:
            if said:
                raise
            continue
        host = Attributes(outside.public_ip, outside.public_ipv6)
        for lease in known:
            if lease.attributes.backend_type and belongs_to(lease, host, config):
                return outside, lease
    raise HostError(
        "this host has no lease", hint="Start its agent: natfix node run; or say which address it has: --public-ip, --iface."
    )


def _mac(data: Any) -> str:  # noqa: ANN401  (JSON)
    return str(data.get("VtepMAC", "")).lower()
