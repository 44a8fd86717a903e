"""The routing core: flannel's network, leases and backends as a library that needs no terminal, no iptables and no machine.

Everything here computes: what a host reads goes in as text and values, what it shall do comes out as values. The public API;
everything else may change between versions::

    from ipaddress import IPv4Address
    from random import randrange
    from natfix.routing import Attributes, NetworkConfig, choose

    config = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}')
    choice = choose(config, (), Attributes(IPv4Address("10.4.7.21")), None, randrange)
    assert str(choice.subnet) == "172.7.21.0/24"

docs/routing.md shows the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from natfix.routing.allocation import Choice, choose, fits, rival
    from natfix.routing.backend_config import HostGw, Vxlan
    from natfix.routing.backends import Finding, Here, HostGwBackend, Peering, VxlanBackend, backend_of
    from natfix.routing.capacity import Capacity, measure
    from natfix.routing.difference import Domain, diff, obstacles
    from natfix.routing.docker_options import DockerOptions
    from natfix.routing.lease import Attributes, Change, Lease, Snapshot
    from natfix.routing.lease_codec import Entry, decode_attributes, decode_entry, encode_attributes, take_snapshot
    from natfix.routing.leases import LeaseTable
    from natfix.routing.leftovers import former_tunnels, without_foreign
    from natfix.routing.links import Link, Links, Way
    from natfix.routing.network import NetworkConfig
    from natfix.routing.pool import Pool
    from natfix.routing.rules import OwnChain, forward_rules, masquerade_rules, removal_script, settle_script
    from natfix.routing.state import PROTOCOL, FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice
    from natfix.routing.subnet import Subnet
    from natfix.routing.subnet_env import SubnetEnv, render_subnet_env
    from natfix.routing.union import Union, unite

_HOMES = {
    "allocation": ("Choice", "choose", "fits", "rival"),
    "backend_config": ("HostGw", "Vxlan"),
    "backends": ("Finding", "Here", "HostGwBackend", "Peering", "VxlanBackend", "backend_of"),
    "capacity": ("Capacity", "measure"),
    "difference": ("Domain", "diff", "obstacles"),
    "docker_options": ("DockerOptions",),
    "lease": ("Attributes", "Change", "Lease", "Snapshot"),
    "lease_codec": ("Entry", "decode_attributes", "decode_entry", "encode_attributes", "take_snapshot"),
    "leases": ("LeaseTable",),
    "leftovers": ("former_tunnels", "without_foreign"),
    "links": ("Link", "Links", "Way"),
    "network": ("NetworkConfig",),
    "pool": ("Pool",),
    "rules": ("OwnChain", "forward_rules", "masquerade_rules", "removal_script", "settle_script"),
    "state": ("PROTOCOL", "FdbEntry", "LinkAddress", "Neighbour", "NetState", "Operation", "Route", "VxlanDevice"),
    "subnet": ("Subnet",),
    "subnet_env": ("SubnetEnv", "render_subnet_env"),
    "union": ("Union", "unite"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "PROTOCOL",
    "Attributes",
    "Capacity",
    "Change",
    "Choice",
    "DockerOptions",
    "Domain",
    "Entry",
    "FdbEntry",
    "Finding",
    "Here",
    "HostGw",
    "HostGwBackend",
    "Lease",
    "LeaseTable",
    "Link",
    "LinkAddress",
    "Links",
    "Neighbour",
    "NetState",
    "NetworkConfig",
    "Operation",
    "OwnChain",
    "Peering",
    "Pool",
    "Route",
    "Snapshot",
    "Subnet",
    "SubnetEnv",
    "Union",
    "Vxlan",
    "VxlanBackend",
    "VxlanDevice",
    "Way",
    "backend_of",
    "choose",
    "decode_attributes",
    "decode_entry",
    "diff",
    "encode_attributes",
    "fits",
    "former_tunnels",
    "forward_rules",
    "masquerade_rules",
    "measure",
    "obstacles",
    "removal_script",
    "render_subnet_env",
    "rival",
    "settle_script",
    "take_snapshot",
    "unite",
    "without_foreign",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562: a name is imported when it is asked for)
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'natfix.routing' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(f"natfix.routing.{home}"), name)
    globals()[name] = value
    return value
