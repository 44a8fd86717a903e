"""Backends: how a host reaches its peers, as pure functions of their leases and of who is on the link."""

from __future__ import annotations

from natfix.routing.backend_config import HostGw
from natfix.routing.backends.host_gw import HostGwBackend
from natfix.routing.backends.peering import Finding, Here, Peering, Wish
from natfix.routing.backends.vxlan import VxlanBackend, vtep_mac
from natfix.routing.network import NetworkConfig

__all__ = ["Finding", "Here", "HostGwBackend", "Peering", "VxlanBackend", "Wish", "backend_of", "vtep_mac"]


def backend_of(config: NetworkConfig, here: Here) -> HostGwBackend | VxlanBackend:
    """The backend that a network's configuration asks for, on this host."""
    if isinstance(config.backend, HostGw):
        return HostGwBackend(config, here)
    return VxlanBackend(config, config.backend, here)
