"""natfix/nft/marks.py: what becomes of a mark."""

import itertools
from typing import Any

import pytest

from natfix.nft.marks import CONNECTION, mark_change, set_connection_mark, set_mark
from natfix.nft.sets import UnknownError
from natfix.packets.bits import Bits

MARK: dict[str, Any] = {"meta": {"key": "mark"}}
DOES = {"&": int.__and__, "|": int.__or__, "^": int.__xor__}


@pytest.mark.parametrize(
    "operators", [*itertools.product(DOES), *itertools.product(DOES, repeat=2), *itertools.product(DOES, repeat=3)]
)
def test_a_mark_becomes_what_the_operators_say_one_after_the_other(operators: tuple[str, ...]) -> None:
    value: Any = MARK
    for operator, bits in zip(operators, (0x3, 0x6, 0x5), strict=False):
        value = {operator: [value, bits]}
    change = mark_change(value)
    for mark in range(16):
        expected = mark
        for operator, bits in zip(operators, (0x3, 0x6, 0x5), strict=False):
            expected = DOES[operator](expected, bits)
        assert change.of(Bits(mark)) == Bits(expected)


def test_a_number_is_the_mark_and_the_mark_is_itself() -> None:
    assert mark_change(5).of(Bits(3)) == Bits(5)
    assert not mark_change(MARK)
    assert mark_change({"&": [{"ct": {"key": "mark"}}, 1]}, CONNECTION).of(Bits(3)) == Bits(1)


@pytest.mark.parametrize(
    "value",
    [
        "x",
        {"<<": [MARK, 1]},
        {"|": [MARK, MARK]},
        {"|": [{"ct": {"key": "mark"}}, 1]},
        {"meta": {"key": "cpu"}},
        {"a": 1, "b": 2},
    ],
)
def test_what_is_made_of_something_else_is_unknown(value: Any) -> None:  # noqa: ANN401
    with pytest.raises(UnknownError):
        mark_change(value)


@pytest.mark.parametrize("value", ["x", {"numgen": {}}, {"ct": {"key": "id"}}])
def test_no_mark_is_set_to_what_is_unknown(value: Any) -> None:  # noqa: ANN401
    for setting in (set_mark, set_connection_mark):
        with pytest.raises(UnknownError):
            setting(value)


def test_one_mark_is_taken_from_the_other() -> None:
    assert [does for does, _ in set_mark({"ct": {"key": "mark"}})] == ["-j CONNMARK --restore-mark"]
    assert set_connection_mark(MARK) == ["-j CONNMARK --save-mark"]
