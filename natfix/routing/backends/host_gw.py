"""host-gw: a route to each peer's subnet, with the peer itself as the next hop.

Source: flannel, pkg/backend/hostgw/hostgw.go. What differs: a peer that is not on the link is told as a finding, where flannel
asks the kernel every 10 s and logs its refusal.
"""

from __future__ import annotations

from typing import Final

from natfix.routing.backends.peering import Answer, Here, Peering, Wish, domain_of, on_link, peering
from natfix.routing.difference import Domain
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Links
from natfix.routing.network import NetworkConfig
from natfix.routing.state import NetState, Network, Route

_HINT: Final = (
    'host-gw needs all hosts on one link: choose the right device with --iface, or configure {"Type": "vxlan", '
    '"DirectRouting": true}, which needs a tunnel for such peers alone.'
)


class HostGwBackend:
    """host-gw on one host.

    Args:
        config: of the network.
        here: this host.

    Attributes:
        networks: the cluster's.
        devices: its own devices; none.
        carrier: the name of the device that peers are reached through.
        domain: what is its to change.
    """

    def __init__(self, config: NetworkConfig, here: Here) -> None:
        self._config = config
        self._here = here
        self.networks: tuple[Network, ...] = config.networks
        self.devices: tuple[str, ...] = ()
        self.carrier = here.link.name
        self.domain: Domain = domain_of(config, here, ())

    @property
    def mtu(self) -> int:
        """Of containers: what the device has."""
        return self._here.link.mtu

    @property
    def attributes(self) -> Attributes:
        """What this host tells its peers."""
        return Attributes(self._here.public_ip, self._here.public_ipv6, "host-gw")

    def own(self) -> NetState:
        """What this host has whoever its peers are: nothing."""
        return NetState()

    def peer(self, lease: Lease, links: Links) -> Peering:
        """What one peer wants: a route, if it is on the link."""
        return peering(self._config, self._here, lease, lambda wish: self._reach(wish, links))

    def _reach(self, wish: Wish, links: Links) -> Answer:
        if on_link(links, self._here, wish.address):
            return NetState(routes=frozenset((Route(wish.subnet, wish.address, self.carrier),)))
        return f"the host with {wish.subnet} at {wish.address} is not on the link: {_where(links, wish, self.carrier)}", _HINT


def _where(links: Links, wish: Wish, carrier: str) -> str:
    way = links.way_to(wish.address)
    if way is None:
        return "no route leads there"
    if way.gateway is None:
        return f"it is on that of {way.link}, and {carrier} was chosen"
    return f"the way there is through the gateway {way.gateway} on {way.link}"
