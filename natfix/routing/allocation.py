"""Which subnet a host shall have.

Asked in this order; the first that answers is taken::

    the lease it holds ─► the subnet it had before ─► the one that follows its address ─► a free one by chance
    or the reservation    (subnet.env), when free     (10.4.7.21 ─► 172.7.21.0/24)

So hosts whose addresses follow each other never choose the same, however many start at once, and a host that has lost
everything finds its old subnet again. All others choose among all that are free; flannel chooses among the first hundred.

In dual stack a subnet of IPv6 goes with the one of IPv4 that has the same index: a store keeps two hosts from the same pair,
but not from two pairs that share one half.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from natfix.routing.lease import Attributes, Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool
from natfix.routing.space import Space
from natfix.routing.subnet import Subnet
from natfix.ruleset import Family, Network

# Gives a number from 0 up to, and without, the one it is given, each as likely as the others: random.randrange.
Chance: TypeAlias = Callable[[int], int]
Reason: TypeAlias = Literal["held", "reserved", "previous", "address", "chance", "exhausted"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What a host shall do.

    Attributes:
        reason: why: ``held`` (it holds a lease), ``reserved`` (a reservation names it), ``previous`` (it had it before),
            ``address`` (it follows the host's address), ``chance``; ``exhausted`` when none is free.
        subnet: what to have; None when none is free.
        lease: the lease or reservation to renew; None when the subnet is to be created.
        obsolete: leases of this host that do not fit the configuration; to be let go once it has another.
        rest: how many subnets are free beside this one.
    """

    reason: Reason
    subnet: Subnet | None
    lease: Lease | None = None
    obsolete: tuple[Lease, ...] = ()
    rest: int = 0


def choose(
    config: NetworkConfig,
    leases: Iterable[Lease],
    host: Attributes,
    previous: Subnet | None,
    chance: Chance,
) -> Choice:
    """Choose a subnet for *host* that overlaps nobody else's.

    Args:
        config: the network.
        leases: everybody's, reservations included.
        host: who asks; its public addresses count alone.
        previous: what it had before, as subnet.env tells.
        chance: asked when nothing else decides.
    """
    everybody = tuple(leases)
    mine = [lease for lease in everybody if belongs_to(lease, host, config)]
    kept = min((lease for lease in mine if fits(lease.subnet, config)), key=lambda one: _merit(one, previous), default=None)
    obsolete = tuple(lease for lease in mine if not lease.reserved and not fits(lease.subnet, config))
    gone = {lease.subnet for lease in obsolete}
    search = _Search(config.pools, tuple(lease for lease in everybody if lease.subnet not in gone), chance)
    if kept is not None:
        return Choice("reserved" if kept.reserved else "held", kept.subnet, kept, obsolete, search.both.free)
    reason, subnet = search.first((previous, *(lease.subnet for lease in obsolete)), host)
    return Choice(reason, subnet, None, obsolete, max(search.both.free - 1, 0))


def fits(subnet: Subnet, config: NetworkConfig) -> bool:
    """Tell whether *subnet* is one that the configuration would lease: of its families, sizes and limits."""
    return len(subnet.networks) == len(config.pools) and all(
        any(pool.index(network) is not None for network in subnet.networks) for pool in config.pools
    )


def belongs_to(lease: Lease, host: Attributes, config: NetworkConfig) -> bool:
    """Tell whether a lease is that of *host*: no public address says otherwise, and one at least says so.

    Addresses count of the families that the network has; in dual stack a lease from before says one alone.
    """
    theirs, ours = lease.attributes, host
    said = (
        (theirs.public_ip, ours.public_ip) if config.ipv4 else (None, None),
        (theirs.public_ipv6, ours.public_ipv6) if config.ipv6 else (None, None),
    )
    both = [(their, our) for their, our in said if their is not None and our is not None]
    return bool(both) and all(their == our for their, our in both)


def rival(lease: Lease, leases: Iterable[Lease], config: NetworkConfig) -> Lease | None:
    """Find which other host has held an address of *lease* for longer, by the store's revisions.

    A store keeps two hosts from one key, not from two keys that overlap, as there are in dual stack and after a change of the
    configuration. Who finds a rival right after taking a subnet lets it go and chooses again; of two only one does.
    """
    earlier = (one for one in leases if one.revision < lease.revision and one.subnet.overlaps(lease.subnet))
    others = (one for one in earlier if not belongs_to(one, lease.attributes, config))
    return min(others, key=lambda one: one.revision, default=None)


def _merit(lease: Lease, previous: Subnet | None) -> tuple[bool, bool, Subnet]:
    """Sort first what containers run in already, then what somebody has reserved for this host."""
    return lease.subnet != previous, not lease.reserved, lease.subnet


class _Search:
    """The free subnets of each family, and of all families at one index."""

    def __init__(self, pools: Sequence[Pool], held: Sequence[Lease], chance: Chance) -> None:
        self.pools = pools
        self.each = [Space.of((pool,), held) for pool in pools]
        self.both = Space.of(pools, held)
        self.chance = chance

    def first(self, wishes: Iterable[Subnet | None], host: Attributes) -> tuple[Reason, Subnet | None]:
        """The first that is free of what is wished, of what follows the address, of all."""
        for wish in wishes:
            found = self._wished(wish) if wish is not None else None
            if found is not None:
                return "previous", found
        index = self._by_address(host)
        if index is not None and self.both.is_free(index):
            return "address", self._subnet([index] * len(self.pools))
        if self.both.free:
            return "chance", self._subnet([self.both.nth_free(self.chance(self.both.free))] * len(self.pools))
        indices = [self._any(space) for space in self.each]
        complete = self._complete(indices)
        return ("exhausted", None) if complete is None else ("chance", complete)

    def _wished(self, wish: Subnet) -> Subnet | None:
        """The wish as far as it is free, what is missing of a family beside it; None when nothing of it is free."""
        wished = [_index_of(pool, wish.networks) for pool in self.pools]
        indices = [index if index is not None and space.is_free(index) else None for index, space in self._beside(wished)]
        anchor = next((index for index in indices if index is not None), None)
        if anchor is None:
            return None
        return self._complete([self._near(space, anchor) if index is None else index for index, space in self._beside(indices)])

    def _beside(self, indices: Sequence[int | None]) -> Iterable[tuple[int | None, Space]]:
        return zip(indices, self.each, strict=True)

    def _near(self, space: Space, anchor: int) -> int | None:
        return anchor if space.is_free(anchor) else self._any(space)

    def _any(self, space: Space) -> int | None:
        return space.nth_free(self.chance(space.free)) if space.free else None

    def _complete(self, indices: Sequence[int | None]) -> Subnet | None:
        known = [index for index in indices if index is not None]
        return self._subnet(known) if len(known) == len(self.pools) else None

    def _by_address(self, host: Attributes) -> int | None:
        """The index of the subnet whose number in the network is that of the host in its own; None when it has no address."""
        pool = self.pools[0]
        address = host.public_ip if pool.family is Family.IPV4 else host.public_ipv6
        if address is None:
            return None
        numbers = 1 << (pool.subnet_len - pool.network.prefixlen)
        skipped = (int(pool.subnet_min) - int(pool.network.network_address)) // pool.size
        return int(address) % numbers - skipped

    def _subnet(self, indices: Sequence[int]) -> Subnet:
        return Subnet.of(pool.subnet(index) for pool, index in zip(self.pools, indices, strict=True))


def _index_of(pool: Pool, networks: Iterable[Network]) -> int | None:
    return next((index for network in networks if (index := pool.index(network)) is not None), None)
