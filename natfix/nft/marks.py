"""What nft makes of a mark with ``&``, ``|`` and ``^``, one after the other, as one change of its bits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from natfix.nft.sets import UnknownError, key_of
from natfix.packets.bits import ALL_BITS, Change

_MARK: Final = ("meta", "mark")


def mark_change(value: Any) -> Change:  # noqa: ANN401  (JSON)
    """What becomes of the mark that a packet has when it gets this one: a number, or something made of the mark itself.

    Raises:
        UnknownError: it is made of something else.
    """
    if isinstance(value, int):
        return Change(value, ALL_BITS)
    if isinstance(value, Mapping) and len(value) == 1:
        ((operator, operands),) = value.items()
        if operator in {"&", "|", "^"} and isinstance(operands[1], int):
            return mark_change(operands[0]).then(_by(operator, operands[1]))
    if key_of(value) != _MARK:
        raise UnknownError
    return Change()


def _by(operator: str, bits: int) -> Change:
    if operator == "&":
        return Change(0, ALL_BITS & ~bits)
    return Change(bits, bits if operator == "|" else 0)
