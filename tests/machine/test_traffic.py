"""The value that tests of streams reason with."""

import pytest

from tests.machine.machines.traffic import Arrival, Traffic

NODE, POD = "10.4.7.21", "172.7.21.2"


def traffic(*arrivals: tuple[float, str]) -> Traffic:
    lines = "".join(f"{round(moment * 1e9)} {source}\n" for moment, source in arrivals)
    return Traffic.parse("ready\n" + lines, "ready\n")


def test_arrivals_and_attempts_are_read_in_seconds() -> None:
    client = "ready\n1400000000 1600000000 answered 1500000000\n1000000000 1000000001 lost 0\n"
    read = Traffic.parse("ready\n1500000000 10.4.7.21\n", client)
    assert read.arrivals == (Arrival(accepted=1.5, opened=1.4, source=NODE),)
    assert read.attempts[1].seconds == pytest.approx(0.2)
    assert (read.sources, read.outcomes) == ({NODE: 1}, {"answered": 1, "lost": 1})


def test_a_part_has_its_start_and_not_its_end() -> None:
    assert traffic((1, POD), (2, NODE), (3, POD)).between(2, 3).sources == {NODE: 1}


def test_a_connection_that_was_under_way_at_a_moment_is_on_neither_side_of_it() -> None:
    under_way = Traffic.parse("ready\n1500000000 10.4.7.21\n", "ready\n1400000000 1600000000 answered 1500000000\n")
    assert under_way.between(0, 1.45).sources == under_way.between(1.45, 9).sources == {}
    assert under_way.between(1.4, 1.6).sources == {NODE: 1}


def test_a_window_ends_with_the_first_that_came_from_elsewhere() -> None:
    both = traffic((1, POD), (2, NODE), (2.5, NODE), (3, POD), (4, NODE), (4.1, POD))
    assert both.windows(NODE) == pytest.approx([1000, 100])
    assert both.longest(NODE) == pytest.approx(1000)


def test_a_window_that_nobody_closes_ends_with_its_last() -> None:
    assert traffic((1, POD), (2, NODE), (4, NODE)).windows(NODE) == pytest.approx([2000])


def test_who_was_never_seen_has_no_window() -> None:
    assert traffic((1, POD)).longest(NODE) == 0
