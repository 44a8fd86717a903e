"""The guard as a value: whose packets get their own address as source NAT before any other rule is asked.

Such a packet has a binding when the rules of iptables, of Docker's own nftables tables or of anybody else come to it, and the
kernel asks nobody twice (nf_nat_core.c, nf_nat_inet_fn).
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Self

from natfix.audit.subject import Locality
from natfix.packets import Intervals, PacketSet
from natfix.ruleset import Family, Network

TABLE = "natfix"
# Marks, each with its mask, by which others ask for masquerade: kube-proxy, CNI's portmap and netavark, tailscale.
MARKS = ((0x4000, 0x4000), (0x2000, 0x2000), (0x40000, 0xFF0000))
# What the names of chains and sets in nft are made of; each bridge gives its name to one of both.
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-_.")


@dataclass(frozen=True, slots=True)
class Guard:
    """What one family's nft table of natfix keeps.

    Attributes:
        family: IPv4 or IPv6.
        cluster: where packets go that keep their source; sorted, none inside another.
        localities: where they come from, and the bridge that leads back there, sorted by bridge; their networks as above.
        connections: how many it has kept so far; says nothing about what it keeps.
    """

    family: Family
    cluster: tuple[Network, ...]
    localities: tuple[Locality, ...]
    connections: int = field(default=0, compare=False)

    @classmethod
    def of(cls, family: Family, cluster: Iterable[Network], localities: Iterable[Locality], connections: int = 0) -> Self:
        """Make the guard of these subnets; what is said twice is kept once, with its bridge where somebody names one."""
        found: dict[str, list[Network]] = {}
        for locality in localities:
            found.setdefault(locality.bridge, []).extend(locality.networks)
        at_home = Intervals.networks(network for bridge, networks in found.items() if bridge for network in networks)
        found[""] = [network for network in found.get("", ()) if not Intervals.networks([network]) <= at_home]
        kept = tuple(Locality(_apart(found[bridge]), bridge) for bridge in sorted(found) if found[bridge])
        return cls(family, _apart(cluster), kept, connections)

    def __bool__(self) -> bool:
        """Whether it keeps anything."""
        return bool(self.cluster and self.localities)

    @property
    def name(self) -> str:
        """What holds it: ``nft table ip natfix``."""
        return table_name(self.family)

    @property
    def subnets(self) -> tuple[Network, ...]:
        """Every subnet whose packets it keeps; sorted, none inside another."""
        return _apart(network for locality in self.localities for network in locality.networks)

    @property
    def _sources(self) -> Intervals:
        return Intervals.networks(self.subnets)

    def keeps(self, other: Self) -> bool:
        """Whether it keeps all that *other* does, for the same cluster; more subnets do no harm."""
        mine = {locality.bridge: locality.addresses for locality in self.localities}
        theirs = ((locality.bridge, locality.addresses) for locality in other.localities)
        return self.cluster == other.cluster and all(each <= mine.get(bridge, Intervals()) for bridge, each in theirs)

    def missed(self, packets: PacketSet) -> tuple[PacketSet, ...]:
        """Those of *packets* that later rules are still asked about; the parts may overlap."""
        return tuple(self._missed(packets))

    def _missed(self, packets: PacketSet) -> Iterator[PacketSet]:
        parts: dict[str, list[Any]] = {
            "source": [packets.source - self._sources],
            "destination": [packets.destination - Intervals.networks(self.cluster)],
            "out_interface": [packets.out_interface.within("lo")],
            "mark": [packets.mark.within(value, mask) for value, mask in MARKS],
        }
        for name, values in parts.items():
            yield from (packets.having(name, value) for value in values if value)
        for locality in self.localities:
            source = packets.source & locality.addresses
            home = packets.out_interface.within(locality.bridge) if locality.bridge else None
            if source and home:
                yield packets.having("source", source).having("out_interface", home)


@dataclass(frozen=True, slots=True)
class HeldGuards:
    """What the kernel holds of the guard.

    Attributes:
        guards: at most one for each family.
        altered: families whose table is there and is not as natfix writes it.
    """

    guards: tuple[Guard, ...] = ()
    altered: tuple[Family, ...] = ()

    def of(self, family: Family) -> Guard | None:
        """The guard of *family*."""
        return guard_of(self.guards, family)


def guard_of(guards: Iterable[Guard], family: Family) -> Guard | None:
    """The guard of *family* among *guards*."""
    return next((guard for guard in guards if guard.family is family), None)


def table_name(family: Family) -> str:
    """What holds the guard of *family*: ``nft table ip natfix``, ``nft table ip6 natfix``."""
    return f"nft table {nft_family(family)} {TABLE}"


def nft_family(family: Family) -> str:
    """How nft calls *family*: ``ip``, ``ip6``."""
    return "ip" if family is Family.IPV4 else "ip6"


def can_be_named(bridge: str) -> bool:
    """Whether nft can be told of a device by this name."""
    return set(bridge) <= _NAME_CHARACTERS


def _apart(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Sort *networks* and leave out those inside another; an interval set of nft takes no overlap.

    Neighbours stay apart, so that another one beside them changes nothing about them.
    """
    kept: list[Network] = []
    for network in sorted(networks, key=lambda one: (int(one.network_address), one.prefixlen)):
        if not kept or int(network.network_address) > int(kept[-1].broadcast_address):
            kept.append(network)
    return tuple(kept)
