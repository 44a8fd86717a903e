"""natfix/packets/bits.py: sets of marks, and what MARK does to them."""

import pytest

from natfix.packets.bits import ALL_BITS, Bits, Change

ANY = Bits(0, 0)


def test_the_mark_of_an_ordinary_packet_is_zero() -> None:
    assert 0 in Bits()
    assert 1 not in Bits()


def test_a_set_holds_the_marks_with_its_known_bits() -> None:
    some = Bits(0x4, 0x6)
    assert [mark for mark in range(8) if mark in some] == [4, 5]


def test_marks_are_kept_by_value_and_mask() -> None:
    assert ANY.within(0x4000, 0x4000) == Bits(0x4000, 0x4000)
    assert Bits(0x4, 0x4).within(0x2, 0x2) == Bits(0x6, 0x6)
    assert Bits().within(0x4000, 0x4000) is None
    assert Bits().within(0, 0x4000) == Bits()


def test_a_value_outside_of_its_mask_is_never_met() -> None:
    assert ANY.within(0x3, 0x1) is None
    assert ANY.excluding(0x3, 0x1) == (ANY,)


def test_other_marks_are_kept_as_disjoint_sets() -> None:
    pieces = ANY.excluding(0x5, 0x7)
    assert [[mark for mark in range(8) if mark in piece] for piece in pieces] == [[0, 2, 4, 6], [3, 7], [1]]


def test_nothing_is_left_when_every_mark_is_excluded() -> None:
    assert Bits().excluding(0, 0x4000) == ()
    assert ANY.excluding(0, 0) == ()


def test_only_bits_not_yet_known_part_marks() -> None:
    assert Bits(0x1, 0x1).excluding(0x3, 0x3) == (Bits(0x1, 0x3),)


def test_a_set_is_within_another_that_knows_less() -> None:
    anything = Bits(0, 0)
    assert Bits() <= anything
    assert Bits(0x3, 0x3) <= Bits(0x1, 0x1)
    assert not anything <= Bits()
    assert not Bits(0x2, 0x3) <= Bits(0x1, 0x1)


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        (Change(), 0x7, 0x7),
        (Change(0x1, ALL_BITS), 0xFF, 0x1),
        (Change(0x4000, 0x4000), 0x1, 0x4001),
        (Change(0x4000, 0), 0x4001, 0x1),
        (Change(0x3, 0x1), 0x2, 0x1),
    ],
)
def test_a_change_zeroes_the_mask_and_then_flips_the_value(change: Change, before: int, after: int) -> None:
    assert change.of(Bits(before)) == Bits(after)


def test_a_change_of_unknown_bits_knows_what_it_set() -> None:
    assert Change(0x1, 0x3).of(ANY) == Bits(0x1, 0x3)
    assert Change(0x4, 0).of(ANY) == ANY


def test_two_changes_are_one() -> None:
    first, second = Change(0xF0, 0xFF), Change(0x21, 0x3)
    for mark in (0, 0x5A, 0xFFF):
        assert first.then(second).of(Bits(mark)) == second.of(first.of(Bits(mark)))


def test_a_change_is_undone_to_the_marks_from_before() -> None:
    flip = Change(0x4000, 0)
    assert flip.undone(Bits(0, 0x4000), ANY) == Bits(0x4000, 0x4000)
    put = Change(0x1, 0x1)
    assert put.undone(Bits(0x3, 0x3), Bits(0, 0x1)) == Bits(0x2, 0x3)


def test_a_change_that_changes_nothing_says_so() -> None:
    assert not Change()
    assert Change(0x1)
    assert Change(0, 0x1)
