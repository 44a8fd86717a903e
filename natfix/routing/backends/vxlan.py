"""vxlan: a tunnel to each peer, or with DirectRouting a route to those on the link and a tunnel to the others.

A peer in the tunnel is a route over the tunnel's device to the first address of the peer's subnet, that address as a neighbour
with the MAC of the peer's end, and that MAC as a forwarding entry that leads to the peer's public address.

Source: flannel, pkg/backend/vxlan/vxlan.go, vxlan_network.go and device.go. What differs: a peer is direct only on the
very device that this host was told to use, and not over a link without neighbours, such as a VPN's; over IPv6 the tunnel takes
70 bytes of a packet, not 50; a lease with another VNI is told as a finding.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_interface
from typing import Any, Final

from natfix.routing.backend_config import VXLAN_OVERHEAD, Vxlan
from natfix.routing.backends.peering import Answer, Here, Peering, Wish, domain_of, on_link, own_of, peering
from natfix.routing.difference import Domain
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Links
from natfix.routing.network import NetworkConfig
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Network, Route, VxlanDevice

_PORT: Final = 8472
_MAC: Final = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_VERSIONS: Final = (4, 6)
_NAMES: Final = {4: "flannel", 6: "flannel-v6"}
_RENEW: Final = "Restart its agent, so that it tells in its lease what its device is."
# Devices that carry IP packets to one end alone, which the kernel does not always mark as point-to-point.
_TUNNELS: Final = frozenset({"wireguard", "ppp", "ipip", "ip6tnl", "gre", "ip6gre", "sit", "vti", "vti6", "xfrm"})


class VxlanBackend:
    """vxlan on one host.

    Args:
        config: of the network.
        vxlan: the part of it that is the tunnel's.
        here: this host.

    Attributes:
        networks: the cluster's.
        devices: the names of its own devices.
        carrier: the name of the device that peers are reached through.
        domain: what is its to change.
    """

    def __init__(self, config: NetworkConfig, vxlan: Vxlan, here: Here) -> None:
        self._config = config
        self._vxlan = vxlan
        self._here = here
        versions = [pool.network.version for pool in config.pools]
        self._names: Mapping[int, str] = {version: f"{_NAMES[version]}.{vxlan.vni}" for version in versions}
        self._macs: Mapping[int, str] = {4: here.mac, 6: here.mac_v6}
        self._direct = vxlan.direct_routing and not here.link.point_to_point and here.link.kind not in _TUNNELS
        self.networks: tuple[Network, ...] = config.networks
        self.devices: tuple[str, ...] = tuple(self._names.values())
        self.carrier = here.link.name
        self.domain: Domain = domain_of(config, here, self.devices)

    @property
    def mtu(self) -> int:
        """Of containers: what the smallest of the tunnels carries."""
        return min(self._mtu(version) for version in self._names)

    @property
    def attributes(self) -> Attributes:
        """What this host tells its peers."""
        data = [{"VNI": self._vxlan.vni, "VtepMAC": self._macs[one]} if one in self._names else None for one in _VERSIONS]
        return Attributes(self._here.public_ip, self._here.public_ipv6, "vxlan", *data)

    def own(self) -> NetState:
        """What this host has whoever its peers are: a device for each family, with the first address of its subnet."""
        state = NetState()
        for version, name in self._names.items():
            local = own_of(self._here, version)
            subnet = self._here.subnet.ipv4 if version == 4 else self._here.subnet.ipv6  # noqa: PLR2004
            if local is not None and subnet is not None:
                device = VxlanDevice(
                    name,
                    self._vxlan.vni,
                    self.carrier,
                    local,
                    self._vxlan.port or _PORT,
                    self._mtu(version),
                    self._macs[version],
                    self._vxlan.learning,
                    self._vxlan.gbp,
                )
                address = LinkAddress(name, ip_interface(subnet.network_address))
                state |= NetState(devices=frozenset((device,)), addresses=frozenset((address,)))
        return state

    def peer(self, lease: Lease, links: Links) -> Peering:
        """What one peer wants."""
        return peering(self._config, self._here, lease, lambda wish: self._reach(lease, wish, links))

    def _mtu(self, version: int) -> int:
        return (self._vxlan.mtu or self._here.link.mtu) - VXLAN_OVERHEAD[version]

    def _reach(self, lease: Lease, wish: Wish, links: Links) -> Answer:
        if self._direct and on_link(links, self._here, wish.address):
            return NetState(routes=frozenset((Route(wish.subnet, wish.address, self.carrier),)))
        attributes = lease.attributes
        return self._through(wish, attributes.backend_data if wish.version == 4 else attributes.backend_v6_data)  # noqa: PLR2004

    def _through(self, wish: Wish, data: Mapping[str, Any] | None) -> Answer:
        said = data or {}
        vni = said.get("VNI", self._vxlan.vni)  # flannel 0.11 tells none.
        if vni != self._vxlan.vni:
            problem = f"the host with {wish.subnet} uses VNI {vni} where this network is configured for {self._vxlan.vni}"
            return problem, "Restart its agent, so that it reads the configuration."
        mac = str(said.get("VtepMAC", "")).lower().replace("-", ":")
        # The lowest bit of the first byte marks what goes to many.
        if not _MAC.fullmatch(mac) or int(mac[:2], 16) & 1 or not mac.strip("0:"):
            return f"the lease of the host with {wish.subnet} has no MAC of its tunnel's end", _RENEW
        if mac == self._macs[wish.version]:
            problem = f"the host with {wish.subnet} at {wish.address} has the same tunnel MAC {mac} as this one"
            return problem, "Was one host copied from the other? Give it a machine-id of its own, and restart its agent."
        name, hop = self._names[wish.version], wish.subnet.network_address
        return NetState(
            routes=frozenset((Route(wish.subnet, hop, name, onlink=True),)),
            neighbours=frozenset((Neighbour(name, hop, mac),)),
            fdb=frozenset((FdbEntry(name, mac, wish.address),)),
        )


def vtep_mac(seed: bytes, version: int = 4) -> str:
    """Derive the MAC of this host's end of the tunnel, so that it is the same when the device is made anew.

    Args:
        seed: what no other host has, such as its machine-id.
        version: 4 or 6; the two ends of a host differ.

    Returns:
        A locally administered address of one host.
    """
    drawn = bytearray(hashlib.sha256(seed + bytes((version,))).digest()[:6])
    drawn[0] = drawn[0] & 0xFC | 0x02
    return drawn.hex(":")
