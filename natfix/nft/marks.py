"""What nft makes of marks with ``&``, ``|`` and ``^``, one after the other, in the words of MARK and CONNMARK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from natfix.nft.sets import UnknownError, key_of
from natfix.packets.bits import ALL_BITS, Change

PACKET: Final = ("meta", "mark")
CONNECTION: Final = ("ct", "mark")


def mark_change(value: Any, held: tuple[str, str] = PACKET) -> Change:  # noqa: ANN401  (JSON)
    """What becomes of the mark that is held when this is put in its place: a number, or something made of the mark itself.

    Raises:
        UnknownError: it is made of something else.
    """
    if isinstance(value, int):
        return Change(value, ALL_BITS)
    if isinstance(value, Mapping) and len(value) == 1:
        ((operator, operands),) = value.items()
        if operator in {"&", "|", "^"} and isinstance(operands[1], int):
            return mark_change(operands[0], held).then(_by(operator, operands[1]))
    if key_of(value) != held:
        raise UnknownError
    return Change()


def _by(operator: str, bits: int) -> Change:
    if operator == "&":
        return Change(0, ALL_BITS & ~bits)
    return Change(bits, bits if operator == "|" else 0)


def set_mark(value: Any) -> list[tuple[str, Change]]:  # noqa: ANN401  (JSON)
    """The targets that put a value in the place of a packet's mark, each with what it does to that mark.

    Raises:
        UnknownError: nobody can follow what the value is made of.
    """
    try:
        return [_marking(mark_change(value))]
    except UnknownError:
        taken = mark_change(value, CONNECTION)
    restored = f"-j CONNMARK --restore-mark{_masks(ALL_BITS, ALL_BITS & ~taken.mask)}"
    flipped = [_marking(Change(taken.value, 0))] if taken.value else []
    # What the connection's mark is depends on what was done with it before, which is for the walk to know.
    return [(restored, Change.to_unknown()), *flipped]


def set_connection_mark(value: Any) -> list[str]:  # noqa: ANN401  (JSON)
    """The targets that put a value in the place of the mark of a packet's connection.

    Raises:
        UnknownError: nobody can follow what the value is made of.
    """
    try:
        change = mark_change(value, CONNECTION)
    except UnknownError:
        taken = mark_change(value, PACKET)
        flipped = [f"-j CONNMARK --set-xmark {taken.value:#x}/0x0"] if taken.value else []
        return [f"-j CONNMARK --save-mark{_masks(ALL_BITS & ~taken.mask, ALL_BITS)}", *flipped]
    return [f"-j CONNMARK --set-xmark {change.value:#x}/{change.mask:#x}"]


def _marking(change: Change) -> tuple[str, Change]:
    return f"-j MARK --set-xmark {change.value:#x}/{change.mask:#x}", change


def _masks(of_packet: int, of_connection: int) -> str:
    return "" if of_packet == of_connection == ALL_BITS else f" --nfmask {of_packet:#x} --ctmask {of_connection:#x}"
