"""Fewer sets that hold the same packets: boxes that differ in one field only are one box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from natfix.packets.bits import Bits
from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.packets.packetset import FIELDS, PacketSet

# So many at most are tried with each other; people read no more of them anyway.
_MOST: Final = 64


def joined(sets: Iterable[PacketSet]) -> tuple[PacketSet, ...]:
    """Join sets of packets as far as that takes no other packet in.

    Returns:
        Sets that hold exactly the packets of *sets*, each in the place of the first that it came from. Not always the fewest.
    """
    left = list(dict.fromkeys(sets))
    if len(left) > _MOST:
        return tuple(left)
    place = 0
    while place < len(left):
        for other in range(place + 1, len(left)):
            both = _both(left[place], left[other])
            if both is not None:
                del left[other]
                left[place] = both
                # What is larger now may go together with one that was tried before.
                place = -1
                break
        place += 1
    return tuple(left)


def _both(one: PacketSet, other: PacketSet) -> PacketSet | None:
    """The one box that holds exactly the packets of both; None when there is none."""
    if one <= other:
        return other
    if other <= one:
        return one
    differing = [name for name in FIELDS if getattr(one, name) != getattr(other, name)]
    if len(differing) > 1:
        return None
    (name,) = differing
    value = _union(getattr(one, name), getattr(other, name))
    return None if value is None else one.having(name, value)


def _union(one: Any, other: Any) -> Any:  # noqa: ANN401  (the field decides)
    """The values of both, where the field can say so; None where it cannot."""
    if isinstance(one, Intervals | frozenset):
        return one | other
    if isinstance(one, Names) and isinstance(other, Names):
        return _names(one, other) or _names(other, one)
    return _bits(one, other) if isinstance(one, Bits) else None


def _names(outer: Names, inner: Names) -> Names | None:
    """Put a pattern back that was carved out of *outer*."""
    if inner.pattern not in outer.without:
        return None
    return Names(outer.pattern, outer.without - {inner.pattern} | inner.without)


def _bits(one: Bits, other: Bits) -> Bits | None:
    """Free the one bit in which two sets of marks differ."""
    bit = one.value ^ other.value
    if (one.known, one.lost) != (other.known, other.lost) or bit.bit_count() != 1:
        return None
    return Bits(one.value & ~bit, one.known & ~bit, one.lost)
