"""What holds for every table and every packet: a walk is a partition, and agrees with a walk of each single packet."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from natfix.packets import Fate, Intervals, Names, PacketSet, walk, witness
from natfix.packets.bits import ALL_BITS, Bits, Change
from natfix.packets.packetset import PROTOCOLS
from natfix.packets.partition import partition
from tests.property.interpreter import Datagram, fate
from tests.property.rulesets import UNKNOWN, Nat, datagrams, everything, holds, nat_tables

FATES = {"ACCEPT": Fate.ACCEPT, "DROP": Fate.DROP, "SNAT": Fate.SOURCE_NAT}

ranges = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=5)
marks = st.builds(lambda value, known: Bits(value & known, known), st.integers(0, 31), st.integers(0, 31))
patterns = st.sampled_from(["+", "e+", "eth+", "eth0", "eth1", "eth0+", "docker0", "d+", "lo", "eth"])
NAMES = ["eth0", "eth1", "eth", "eth01", "e", "docker0", "d", "lo", "zz"]


def truly(nat: Nat, packet: Datagram, true: frozenset[int] = frozenset()) -> Fate:
    """What the interpreter says, when the unknown matches of the rules *true* match."""
    answers = dict.fromkeys(true, True)
    return FATES[fate(nat.chains, nat.policy, replace(packet), answers)]


def set_of(ranges: list[tuple[int, int]]) -> set[int]:
    return {number for first, last in ranges for number in range(first, last + 1)}


@given(nat_tables(), st.data())
def test_a_walk_without_unknown_matches_puts_each_packet_in_the_one_outcome_it_meets(nat: Nat, data: st.DataObject) -> None:
    outcomes = walk(nat.table, "POSTROUTING", everything(nat.family))
    assert all(outcome.certain for outcome in outcomes)
    for packet in data.draw(st.lists(datagrams(nat.family), min_size=5, max_size=20)):
        met = [outcome.fate for outcome in outcomes if holds(outcome.packets, packet)]
        assert met == [truly(nat, packet)]


@given(nat_tables())
def test_the_outcomes_of_a_walk_without_unknown_matches_have_nothing_in_common(nat: Nat) -> None:
    outcomes = walk(nat.table, "POSTROUTING", everything(nat.family))
    for one, other in itertools.combinations(outcomes, 2):
        assert not overlap(one.packets, other.packets)


@given(nat_tables())
def test_the_outcomes_of_a_walk_without_unknown_matches_are_all_that_went_in(nat: Nat) -> None:
    whole = everything(nat.family)
    outcomes = walk(nat.table, "POSTROUTING", whole)
    assert all(outcome.packets <= whole for outcome in outcomes)
    assert sum(size(outcome.packets) for outcome in outcomes) == size(whole)


@given(nat_tables())
def test_a_partition_holds_what_a_walk_does_in_fewer_sets_that_have_nothing_in_common(nat: Nat) -> None:
    whole = everything(nat.family)
    sets = [each for part in partition(nat.table, "POSTROUTING", whole) for each in part.packets]
    assert len(sets) <= len(walk(nat.table, "POSTROUTING", whole))
    assert sum(map(size, sets)) == size(whole)
    for one, other in itertools.combinations(sets, 2):
        assert not overlap(one, other)


@given(nat_tables(), st.data())
def test_each_packet_is_in_the_one_part_whose_fate_it_meets(nat: Nat, data: st.DataObject) -> None:
    parts = partition(nat.table, "POSTROUTING", everything(nat.family))
    for packet in data.draw(st.lists(datagrams(nat.family), min_size=5, max_size=20)):
        met = [part.fate for part in parts for each in part.packets if holds(each, packet)]
        assert met == [truly(nat, packet)]


# Where marks are free as well as matches unknown, a table of twenty rules can have thousands of outcomes.
@given(nat_tables(unknown=True), st.integers(0, 15), st.data())
def test_whatever_unknown_matches_say_the_fate_of_a_packet_is_among_its_outcomes(
    nat: Nat, mark: int, data: st.DataObject
) -> None:
    assume(nat.unknown)
    outcomes = walk(nat.table, "POSTROUTING", everything(nat.family).having("mark", Bits(mark)))
    worlds = st.frozensets(st.sampled_from(nat.unknown))
    for drawn in data.draw(st.lists(datagrams(nat.family), min_size=3, max_size=8)):
        packet = replace(drawn, mark=mark)
        met = [outcome for outcome in outcomes if holds(outcome.packets, packet)]
        surely = {outcome.fate for outcome in met if outcome.certain}
        for true in [frozenset(), frozenset(nat.unknown), data.draw(worlds), data.draw(worlds)]:
            fate = truly(nat, packet, true)
            assert fate in {outcome.fate for outcome in met}
            assert surely <= {fate}


@given(nat_tables(unknown=True), st.integers(0, 15), st.data())
def test_a_packet_has_one_certain_outcome_or_only_possible_ones_that_say_why(nat: Nat, mark: int, data: st.DataObject) -> None:
    outcomes = walk(nat.table, "POSTROUTING", everything(nat.family).having("mark", Bits(mark)))
    packet = replace(data.draw(datagrams(nat.family)), mark=mark)
    met = [outcome for outcome in outcomes if holds(outcome.packets, packet)]
    assert [outcome.unknown for outcome in met] == [()] or all(UNKNOWN in outcome.unknown for outcome in met)


@given(nat_tables())
def test_the_packet_picked_for_an_outcome_is_one_of_it(nat: Nat) -> None:
    for outcome in walk(nat.table, "POSTROUTING", everything(nat.family)):
        packet = witness(outcome.packets)
        protocol = PROTOCOLS.get(packet.protocol)
        assert int(packet.source) in outcome.packets.source
        assert int(packet.destination) in outcome.packets.destination
        assert packet.out_interface in outcome.packets.out_interface
        assert (int(packet.protocol) if protocol is None else protocol) in outcome.packets.protocol
        assert packet.source_port is None or packet.source_port in outcome.packets.source_port
        assert packet.destination_port is None or packet.destination_port in outcome.packets.destination_port
        assert packet.mark in outcome.packets.mark


@given(nat_tables(unknown=True))
def test_the_rule_that_decided_is_the_last_one_on_the_path(nat: Nat) -> None:
    for outcome in walk(nat.table, "POSTROUTING", everything(nat.family).having("mark", Bits())):
        assert outcome.rule is None or outcome.path[-1] is outcome.rule


@given(ranges, ranges)
def test_intervals_are_sets_of_integers(one: list[tuple[int, int]], other: list[tuple[int, int]]) -> None:
    left, right = Intervals.of(one), Intervals.of(other)
    have, wanted = set_of(one), set_of(other)
    for made, expected in ((left & right, have & wanted), (left | right, have | wanted), (left - right, have - wanted)):
        assert {number for number in range(40) if number in made} == expected
        assert made == Intervals.of((number, number) for number in expected)
        assert made.size == len(expected)
    assert (left <= right) == (have <= wanted)
    assert bool(left) == bool(have)


@given(marks, st.integers(0, 31), st.integers(0, 31), st.integers(0, 31))
def test_marks_are_parted_by_value_and_mask(some: Bits, value: int, mask: int, mark: int) -> None:
    inside, outside = some.within(value, mask), some.excluding(value, mask)
    meets = mark & mask == value
    assert (inside is not None and mark in inside) == (mark in some and meets)
    assert sum(mark in piece for piece in outside) == (mark in some and not meets)


@given(marks, marks, st.integers(0, 31))
def test_sets_of_marks_are_compared_by_what_they_hold(one: Bits, other: Bits, mark: int) -> None:
    if one <= other:
        assert mark in other or mark not in one
    else:
        assert any(each in one and each not in other for each in range(32))


changes = st.builds(Change, st.integers(0, 31), st.integers(0, 31))


@given(changes, changes, marks, st.integers(0, 31))
def test_changes_of_marks_follow_each_other_and_are_undone(first: Change, second: Change, some: Bits, mark: int) -> None:
    both = first.then(second)
    after = both.of(Bits(mark))
    assert after == second.of(first.of(Bits(mark)))
    assert after.known == ALL_BITS
    if mark in some:
        assert after.value in both.of(some)
        asked = both.of(some).within(after.value & 0x5, 0x5)
        assert asked is not None
        assert mark in both.undone(asked, some)


@given(st.lists(st.tuples(st.booleans(), patterns), max_size=6))
def test_sets_of_names_are_what_the_patterns_left_of_them(steps: list[tuple[bool, str]]) -> None:
    have: Names | None = Names()
    expected = set(NAMES)
    for inside, pattern in steps:
        if have is not None:
            have = have.within(pattern) if inside else have.excluding(pattern)
        described = {name for name in NAMES if name == pattern or (pattern[-1] == "+" and name.startswith(pattern[:-1]))}
        expected = expected & described if inside else expected - described
    assert {name for name in NAMES if have is not None and name in have} == expected
    if have is not None:
        assert have.sample() in have
        assert have <= Names()


@given(patterns, patterns, patterns)
def test_sets_of_names_are_compared_by_what_they_hold(pattern: str, excluded: str, other: str) -> None:
    some = Names(pattern, frozenset({excluded}))
    if some and some <= Names(other):
        assert all(name in Names(other) for name in NAMES if name in some)
    elif some:
        assert some.within(other) != some


def overlap(one: PacketSet, other: PacketSet) -> bool:
    """Whether two sets have a packet in common, by looking for a field in which they have none."""
    intervals = ("source", "destination", "protocol", "source_port", "destination_port")
    return (
        all(bool(getattr(one, name) & getattr(other, name)) for name in intervals)
        and any(name in one.out_interface and name in other.out_interface for name in NAMES)
        and one.mark.within(other.mark.value, other.mark.known) is not None
    )


def size(packets: PacketSet) -> int:
    """How many packets a set has, counting as devices those that the tables can tell apart."""
    told_apart = ["eth0", "eth1", "eth7", "docker0", "cali7", "lo"]
    intervals = (
        packets.source,
        packets.destination,
        packets.protocol,
        packets.source_port,
        packets.destination_port,
    )
    devices = sum(name in packets.out_interface for name in told_apart)
    return math.prod(each.size for each in intervals) * devices << (32 - packets.mark.known.bit_count())
