"""Sets of 32-bit marks in which some bits are known, others are free and others lost, and what MARK does to them.

A free bit parts packets: some have it and some have not. A lost bit is one that nobody knows of any packet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

WIDTH = 32
ALL_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Bits:
    """The marks whose bits under *known* are those of *value*.

    Attributes:
        value: the known bits; none outside of *known*.
        known: which are known.
        lost: which nobody knows; none of them is in *known*.
    """

    value: int = 0
    known: int = ALL_BITS
    lost: int = 0

    def __contains__(self, mark: int) -> bool:
        """Whether *mark* is in the set."""
        return mark & self.known == self.value

    def __le__(self, other: Self) -> bool:
        """Whether every mark in this set is in *other*, of which as much is known."""
        return self.lost == other.lost and not other.known & ~self.known and self.value & other.known == other.value

    def within(self, value: int, mask: int) -> Self | None:
        """Keep the marks with ``mark & mask == value``; None when there are none."""
        if value & ~mask or (self.value ^ value) & self.known & mask:
            return None
        return type(self)(self.value | value, self.known | mask, self.lost & ~mask)

    def excluding(self, value: int, mask: int) -> tuple[Self, ...]:
        """Keep the marks with ``mark & mask != value``, as disjoint sets."""
        if self.within(value, mask) is None:
            return (self,)
        pieces: list[Self] = []
        fixed_value, fixed = self.value, self.known
        for position in range(WIDTH):
            bit = 1 << position
            if mask & bit & ~self.known:
                pieces.append(type(self)(fixed_value | (~value & bit), fixed | bit, self.lost & ~(fixed | bit)))
                fixed_value |= value & bit
                fixed |= bit
        return tuple(pieces)

    def is_told(self, value: int, mask: int) -> bool:
        """Whether it can be said of each of these marks if ``mark & mask == value``, whatever the lost bits are."""
        return not mask & self.lost or self.within(value, mask) is None


UNKNOWN = Bits(0, 0, ALL_BITS)
"""A mark of which nobody knows anything."""


@dataclass(frozen=True, slots=True)
class Change:
    """What ``-j MARK --set-xmark VALUE/MASK`` does to a mark: bits under *mask* zeroed, then *value* XORed in.

    Attributes:
        value: the bits XORed in; none that is lost.
        mask: the bits zeroed, the lost ones included.
        lost: bits that become what nobody knows.
    """

    value: int = 0
    mask: int = 0
    lost: int = 0

    @classmethod
    def to_unknown(cls, bits: int = ALL_BITS) -> Self:
        """The change after which nobody knows these *bits*."""
        return cls(0, bits, bits)

    def __bool__(self) -> bool:
        """Whether it changes any mark."""
        return bool(self.value or self.mask)

    def then(self, later: Change) -> Change:
        """This change and *later* as one."""
        lost = self.lost & ~later.mask | later.lost
        return Change(((self.value & ~later.mask) ^ later.value) & ~lost, self.mask | later.mask, lost)

    def of(self, before: Bits) -> Bits:
        """What the marks *before* become."""
        known = (before.known | self.mask) & ~self.lost
        return Bits(((before.value & ~self.mask) ^ self.value) & known, known, before.lost & ~self.mask | self.lost)

    def undone(self, after: Bits, before: Bits) -> Bits:
        """The marks of *before* that become *after*, which is a part of what *before* becomes."""
        kept = after.known & ~self.mask
        return Bits(before.value | ((after.value ^ self.value) & kept), before.known | kept, before.lost & ~kept)
