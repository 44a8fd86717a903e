"""Sets of integers as sorted, disjoint, closed ranges: addresses, ports, protocol numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from natfix.ruleset import Network


@dataclass(frozen=True, slots=True)
class Intervals:
    """A set of integers.

    Attributes:
        ranges: (first, last) pairs, both included, sorted, neither touching nor overlapping.
    """

    ranges: tuple[tuple[int, int], ...] = ()

    @classmethod
    def of(cls, ranges: Iterable[tuple[int, int]]) -> Self:
        """Make a set of ranges in any order, touching or overlapping as they may."""
        merged: list[tuple[int, int]] = []
        for first, last in sorted(ranges):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(merged[-1][1], last))
            elif first <= last:
                merged.append((first, last))
        return cls(tuple(merged))

    @classmethod
    def single(cls, value: int) -> Self:
        """The set of one integer."""
        return cls(((value, value),))

    @classmethod
    def networks(cls, networks: Iterable[Network]) -> Self:
        """The addresses of all *networks*, which are of one family, as integers."""
        return cls.of((int(network.network_address), int(network.broadcast_address)) for network in networks)

    def __bool__(self) -> bool:
        """Whether there is anything in the set."""
        return bool(self.ranges)

    def __contains__(self, value: int) -> bool:
        """Whether *value* is in the set."""
        return any(first <= value <= last for first, last in self.ranges)

    def __and__(self, other: Self) -> Self:
        """What is in both."""
        pairs = [(max(first, low), min(last, high)) for first, last in self.ranges for low, high in other.ranges]
        return type(self)(tuple([(low, high) for low, high in pairs if low <= high]))

    def __or__(self, other: Self) -> Self:
        """What is in either."""
        return type(self).of((*self.ranges, *other.ranges))

    def __sub__(self, other: Self) -> Self:
        """What is in this one and not in *other*."""
        left = self.ranges
        for first, last in other.ranges:
            parts = [((low, min(high, first - 1)), (max(low, last + 1), high)) for low, high in left]
            left = tuple([(low, high) for both in parts for low, high in both if low <= high])
        return type(self)(left)

    def __le__(self, other: Self) -> bool:
        """Whether everything in this one is in *other*."""
        return all(any(low <= first and last <= high for low, high in other.ranges) for first, last in self.ranges)

    @property
    def size(self) -> int:
        """How many integers there are."""
        return sum(last - first + 1 for first, last in self.ranges)
