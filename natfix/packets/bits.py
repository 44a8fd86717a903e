"""Sets of 32-bit marks in which some bits are known and the others are free, and what MARK does to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

WIDTH = 32
ALL_BITS = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class Bits:
    """The marks whose bits under *known* are those of *value*; *value* has no bit outside of *known*."""

    value: int = 0
    known: int = ALL_BITS

    def __contains__(self, mark: int) -> bool:
        """Whether *mark* is in the set."""
        return mark & self.known == self.value

    def __le__(self, other: Self) -> bool:
        """Whether every mark in this set is in *other*."""
        return not other.known & ~self.known and self.value & other.known == other.value

    def within(self, value: int, mask: int) -> Self | None:
        """Keep the marks with ``mark & mask == value``; None when there are none."""
        if value & ~mask or (self.value ^ value) & self.known & mask:
            return None
        return type(self)(self.value | value, self.known | mask)

    def excluding(self, value: int, mask: int) -> tuple[Self, ...]:
        """Keep the marks with ``mark & mask != value``, as disjoint sets."""
        if self.within(value, mask) is None:
            return (self,)
        pieces: list[Self] = []
        fixed_value, fixed = self.value, self.known
        for position in range(WIDTH):
            bit = 1 << position
            if mask & bit & ~self.known:
                pieces.append(type(self)(fixed_value | (~value & bit), fixed | bit))
                fixed_value |= value & bit
                fixed |= bit
        return tuple(pieces)


@dataclass(frozen=True, slots=True)
class Change:
    """What ``-j MARK --set-xmark VALUE/MASK`` does to a mark: bits under *mask* zeroed, then *value* XORed in."""

    value: int = 0
    mask: int = 0

    def __bool__(self) -> bool:
        """Whether it changes any mark."""
        return bool(self.value or self.mask)

    def then(self, later: Change) -> Change:
        """This change and *later* as one."""
        return Change((self.value & ~later.mask) ^ later.value, self.mask | later.mask)

    def of(self, before: Bits) -> Bits:
        """What the marks *before* become."""
        known = before.known | self.mask
        return Bits(((before.value & ~self.mask) ^ self.value) & known, known)

    def undone(self, after: Bits, before: Bits) -> Bits:
        """The marks of *before* that become *after*, which is a part of what *before* becomes."""
        kept = after.known & ~self.mask
        return Bits(before.value | ((after.value ^ self.value) & kept), before.known | kept)
