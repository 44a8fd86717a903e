"""Sets of 32-bit marks in which some bits are known and the others are free."""

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

    def changed(self, value: int, mask: int) -> Self:
        """What ``-j MARK --set-xmark VALUE/MASK`` makes of them: bits under *mask* zeroed, then *value* XORed in."""
        kept = self.value & ~mask
        known = self.known | mask
        return type(self)((kept ^ value) & known, known)
