"""Which subnets of a pool are free, by their index, at any size of pool: IPv6 has more of them than a list could hold."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from natfix.routing.lease import Lease
from natfix.routing.pool import Pool
from natfix.ruleset import Network

# First and last index, both included.
Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Space:
    """The indices of *count* subnets, some of them taken.

    Attributes:
        count: how many subnets there are.
        taken: what leases cover of them: in order, apart from each other.
    """

    count: int
    taken: tuple[Span, ...]

    @classmethod
    def of(cls, pools: Sequence[Pool], leases: Iterable[Lease]) -> Space:
        """Find what *leases* cover of the subnets that have the same index in each of *pools*.

        A lease of another size covers every subnet that it overlaps; one outside covers none.
        """
        count = min(pool.count for pool in pools)
        by_version = {pool.network.version: pool for pool in pools}
        spans = [
            span
            for lease in leases
            for network in lease.subnet.networks
            if network.version in by_version
            if (span := covered(by_version[network.version], network, count)) is not None
        ]
        return cls(count, _joined(spans))

    @property
    def free(self) -> int:
        """How many are free."""
        return self.count - self.used

    @property
    def used(self) -> int:
        """How many are taken."""
        return sum(last - first + 1 for first, last in self.taken)

    def is_free(self, index: int) -> bool:
        """Tell whether there is such a subnet, and it is free."""
        place = bisect_right(self.taken, (index, self.count)) - 1
        return 0 <= index < self.count and (place < 0 or self.taken[place][1] < index)

    def nth_free(self, number: int) -> int:
        """The index of a free one that has so many free ones before it.

        Raises:
            IndexError: there are not so many.
        """
        if not 0 <= number < self.free:
            raise IndexError(number)
        for first, last in self.taken:
            if number < first:
                break
            # Everything up to *first* is counted; what is taken moves the number on.
            number += last - first + 1
        return number


def covered(pool: Pool, network: Network, count: int) -> Span | None:
    """The indices below *count* of the subnets in *pool* that *network*, of the same family, overlaps."""
    start = int(network.network_address) - int(pool.subnet_min)
    last = (start + network.num_addresses - 1) // pool.size
    first = max(start // pool.size, 0)
    last = min(last, count - 1)
    return (first, last) if first <= last else None


def _joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for first, last in sorted(spans):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], last))
        else:
            joined.append((first, last))
    return tuple(joined)
