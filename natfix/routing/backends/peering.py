"""What every backend has in common: this host, its peers one by one, and what a peer that cannot be reached says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from ipaddress import IPv4Address, IPv6Address
from operator import or_
from typing import Final, TypeAlias

from natfix.routing.difference import Domain
from natfix.routing.lease import Lease
from natfix.routing.links import Link, Links
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool
from natfix.routing.state import Address, NetState, Network
from natfix.routing.subnet import Subnet

NOTHING: Final = NetState()


@dataclass(frozen=True, slots=True)
class Here:
    """This host.

    Attributes:
        subnet: its own.
        link: the device that its peers are reached through.
        public_ip: its address on that device; None without IPv4.
        public_ipv6: the same for IPv6.
        mac: of its end of the tunnel, which vxlan alone needs; see vtep_mac.
        mac_v6: of its end of the tunnel for IPv6.
    """

    subnet: Subnet
    link: Link
    public_ip: IPv4Address | None = None
    public_ipv6: IPv6Address | None = None
    mac: str = ""
    mac_v6: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a peer is not reached, or not as it should be.

    Attributes:
        subnet: the peer's.
        problem: what is wrong, where.
        hint: what to do.
    """

    subnet: Subnet
    problem: str
    hint: str

    def __str__(self) -> str:
        return f"{self.problem}\n  {self.hint}"


@dataclass(frozen=True, slots=True)
class Peering:
    """What one peer wants of this host's kernel.

    Attributes:
        state: routes, and what belongs to them.
        finding: what keeps the peer from being reached in one family or both; None when all is well.
    """

    state: NetState = NOTHING
    finding: Finding | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """One family of a peer.

    Attributes:
        subnet: the peer's.
        address: where the peer is reached.
        own: where this host is.
        version: 4 or 6.
    """

    subnet: Network
    address: Address
    own: Address
    version: int


# What a backend makes of one family of a peer: a part of the state, or why there is none and what to do.
Problem: TypeAlias = tuple[str, str]
Answer: TypeAlias = NetState | Problem


def own_of(here: Here, version: int) -> Address | None:
    """This host's address in one family."""
    return here.public_ip if version == 4 else here.public_ipv6  # noqa: PLR2004


def domain_of(config: NetworkConfig, here: Here, devices: Iterable[str]) -> Domain:
    """What is natfix's to change: routes over this host's device for its peers, and over its tunnels."""
    pools = frozenset((pool.network, pool.subnet_len) for pool in config.pools)
    return Domain(pools, frozenset((here.link.name, *devices)))


def peering(config: NetworkConfig, here: Here, lease: Lease, reach: Callable[[Wish], Answer]) -> Peering:
    """Ask *reach* for each family that the network and the peer have; a reservation that no host has taken wants nothing.

    Args:
        config: of the network.
        here: this host.
        lease: the peer's.
        reach: what the backend makes of one family.
    """
    kind = lease.attributes.backend_type
    # A reservation that its host has taken never ends, and else is a lease like any other.
    if lease.subnet == here.subnet or (lease.reserved and not kind):
        return Peering()
    if kind != config.backend.type:
        said = kind or "no backend that carries packets"
        problem = f"the host with {lease.subnet} uses {said} where this network is configured for {config.backend.type}"
        return Peering(NOTHING, Finding(lease.subnet, problem, "Restart its agent, so that it reads the configuration."))
    answers = [_answer(pool, here, lease, reach) for pool in config.pools]
    states = [answer for answer in answers if isinstance(answer, NetState)]
    problems = [answer for answer in answers if not isinstance(answer, NetState)]
    state = states[0] if len(states) == 1 else reduce(or_, states, NOTHING)
    return Peering(state, _finding(lease.subnet, problems) if problems else None)


def _finding(subnet: Subnet, problems: Sequence[Problem]) -> Finding:
    """One finding of the problems of both families, with each hint once."""
    return Finding(subnet, "; ".join(problem for problem, _ in problems), " ".join(dict.fromkeys(hint for _, hint in problems)))


def _answer(pool: Pool, here: Here, lease: Lease, reach: Callable[[Wish], Answer]) -> Answer:
    version = pool.network.version
    four = version == 4  # noqa: PLR2004
    subnet = lease.subnet.ipv4 if four else lease.subnet.ipv6
    address = lease.attributes.public_ip if four else lease.attributes.public_ipv6
    own = own_of(here, version)
    if own is None:
        return f"this host has no public IPv{version} address", "Choose its device and address with --iface or --public-ip."
    if subnet is None or address is None:
        missing = "subnet" if subnet is None else "public address"
        problem = f"the lease of the host with {lease.subnet} has no IPv{version} {missing}"
        return problem, "Let its agent take a new lease: every host needs both families of this network."
    return _strange(pool, here, subnet, address) or reach(Wish(subnet, address, own, version))


def _strange(pool: Pool, here: Here, subnet: Network, address: Address) -> Problem | None:
    """What no lease of this network can be, and would lead packets astray."""
    # Not pool.index: the limits of what is leased today may have been others.
    if subnet.prefixlen <= pool.network.prefixlen or subnet.network_address not in pool.network:
        problem = f"the lease {subnet} is no subnet of {pool.network}"
        return problem, "Delete its key from the store, or give the hosts one network."
    mine = here.subnet.ipv4 if pool.network.version == 4 else here.subnet.ipv6  # noqa: PLR2004
    if mine is not None and _overlap(mine, subnet):
        return f"the lease {subnet} overlaps this host's own {mine}", "Release one of the two leases."
    if address == own_of(here, address.version):
        problem = f"the host with {subnet} says that it is at {address}, which is this host"
        return problem, f"Release the lease of {subnet} if no such host is there, or give it an address of its own."
    return None


def _overlap(one: Network, other: Network) -> bool:
    shorter, longer = sorted((one, other), key=lambda network: network.prefixlen)
    return longer.network_address in shorter


def on_link(links: Links, here: Here, address: Address) -> bool:
    """Tell whether a peer is on the link of this host's device, so that packets need no gateway and no tunnel."""
    way = links.way_to(address)
    return way is not None and way.gateway is None and way.link == here.link.name
