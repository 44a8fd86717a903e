"""natfix/packets/intervals.py: sets of integers."""

from ipaddress import ip_network

import pytest

from natfix.packets.intervals import Intervals

SOME = Intervals(((1, 3), (7, 9)))


@pytest.mark.parametrize(
    ("ranges", "merged"),
    [
        ([], ()),
        ([(7, 9), (1, 3)], ((1, 3), (7, 9))),
        ([(1, 3), (4, 5)], ((1, 5),)),
        ([(1, 9), (2, 3)], ((1, 9),)),
        ([(1, 3), (3, 3), (2, 8)], ((1, 8),)),
        ([(5, 1)], ()),
        ([(5, 1), (0, 0)], ((0, 0),)),
        ([(1, 6), (5, 2)], ((1, 6),)),
    ],
)
def test_ranges_are_sorted_and_merged_and_empty_ones_dropped(
    ranges: list[tuple[int, int]], merged: tuple[tuple[int, int], ...]
) -> None:
    assert Intervals.of(ranges).ranges == merged


def test_networks_are_their_addresses() -> None:
    networks = [ip_network("10.0.1.0/24"), ip_network("10.0.0.0/24"), ip_network("10.9.9.9/32")]
    first = int(networks[1].network_address)
    assert Intervals.networks(networks).ranges == ((first, first + 511), (first + 0x90909, first + 0x90909))


def test_a_set_knows_what_is_in_it() -> None:
    assert [value for value in range(11) if value in SOME] == [1, 2, 3, 7, 8, 9]
    assert (SOME.size, Intervals.single(4).ranges) == (6, ((4, 4),))
    assert bool(SOME)
    assert not Intervals()


def test_sets_are_met_joined_and_taken_away() -> None:
    other = Intervals(((3, 7),))
    assert (SOME & other).ranges == ((3, 3), (7, 7))
    assert (SOME | other).ranges == ((1, 9),)
    assert (SOME - other).ranges == ((1, 2), (8, 9))
    assert (other - SOME).ranges == ((4, 6),)
    assert (Intervals(((0, 9),)) - Intervals(((2, 3), (5, 5)))).ranges == ((0, 1), (4, 4), (6, 9))


def test_a_set_is_within_another_when_nothing_is_left_of_it() -> None:
    assert Intervals(((1, 2), (9, 9))) <= SOME
    assert Intervals() <= SOME
    assert not Intervals(((3, 4),)) <= SOME
