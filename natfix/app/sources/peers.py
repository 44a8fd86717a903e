"""What the routes of a host let one guess about its cluster.

A host of a cluster has its containers on a bridge with a subnet of its own, and for each other host a route to a subnet of
the same size that leads through a gateway: 172.7.21.0/24 on docker0, 172.7.22.0/24 via 10.4.7.22. The smallest network that
holds them all is likely to be the cluster's, or the part of it that is in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from natfix.app.ports import Interface, Route
from natfix.routing.cidrs import merge
from natfix.ruleset import Family, Network, family_of

# How much shorter than a host's prefix a cluster's may be: flannel and Kubernetes hand out /24 of a /16, /64 of a /48.
_NEAR: Final = {Family.IPV4: 8, Family.IPV6: 16}
_NAMED_PEERS: Final = 3


class Guess(NamedTuple):
    """A network that holds a local bridge's subnet and those of peers.

    Attributes:
        network: the smallest such network.
        local: the bridge's subnet.
        peers: the routes to the peers' subnets, sorted by address.
    """

    network: Network
    local: Network
    peers: tuple[Route, ...]


def guess_clusters(interfaces: Sequence[Interface], routes: Sequence[Route]) -> tuple[Guess, ...]:
    """Guess from what is on bridges and where gateways lead; one guess for each bridge subnet that has peers."""
    through = [route for route in routes if route.gateway and route.destination.prefixlen]
    uplinks = {route.interface for route in routes if route.gateway}
    guesses = (_guess(local, through) for local in merge(_bridge_subnets(interfaces, uplinks)))
    return tuple(guess for guess in guesses if guess)


def describe_peers(guesses: Iterable[Guess]) -> str:
    """Say in one line from which routes *guesses* were made."""
    peers = [peer for guess in guesses for peer in guess.peers]
    names = list(dict.fromkeys(str(peer.destination) for peer in peers))
    more = f" and {len(names) - _NAMED_PEERS} more" if len(names) > _NAMED_PEERS else ""
    devices = ", ".join(sorted({peer.interface for peer in peers}))
    return f"routes to peer subnets {', '.join(names[:_NAMED_PEERS])}{more} via {devices}"


def _bridge_subnets(interfaces: Iterable[Interface], uplinks: set[str]) -> Iterator[Network]:
    """The subnets on bridges; a bridge that leads to a gateway is the host's own network, as of a host of virtual machines."""
    for interface in interfaces:
        if interface.kind == "bridge" and interface.name not in uplinks:
            yield from (one.network for one in interface.addresses if not one.is_link_local)


def _guess(local: Network, routes: Iterable[Route]) -> Guess | None:
    near = {route: common for route in routes if (common := _common(local, route.destination)) is not None}
    if not near:
        return None
    peers = sorted(near, key=lambda route: (int(route.destination.network_address), route.interface))
    return Guess(min(near.values(), key=lambda network: network.prefixlen), local, tuple(peers))


def _common(local: Network, peer: Network) -> Network | None:
    """The smallest network that holds both, when *peer* is another subnet of the same size and near."""
    if peer.version != local.version or peer.prefixlen != local.prefixlen or peer == local:
        return None
    apart = (int(local.network_address) ^ int(peer.network_address)).bit_length()
    length = local.max_prefixlen - apart
    if length < local.prefixlen - _NEAR[family_of(local)]:
        return None
    common = local.supernet(new_prefix=length)
    # Private subnets of a cluster do not lie on both sides of public addresses.
    return None if common.is_global and not local.is_global else common
