"""natfix/packets/piece.py: packets on their way."""

from dataclasses import replace

from natfix.packets import Fate, Intervals
from natfix.packets.bits import Bits, Change
from natfix.packets.piece import Flow, Parted, Piece, merged
from natfix.ruleset import Rule
from tests.unit.packets.tables import addresses, everything

ANY_MARK = everything().having("mark", Bits(0, 0))
START = Piece(ANY_MARK)
SET = Rule("POSTROUTING", "-m set --match-set a src -j X")
TEN, REST = addresses("10.0.0.0/8"), everything().source - addresses("10.0.0.0/8")


def part(piece: Piece, source: Intervals) -> Piece:
    return replace(piece, packets=piece.packets.having("source", source))


def test_a_rule_parts_what_it_matches_from_what_it_does_not() -> None:
    rule = Rule("POSTROUTING", "-s 10.0.0.0/8 -j X")
    assert START.parted(rule) == Parted([replace(part(START, TEN), path=(rule,))], [part(START, REST)])


def test_a_rule_that_matches_nothing_tells_the_words_that_refused() -> None:
    piece = part(START, TEN)
    assert piece.parted(Rule("POSTROUTING", "-o eth0 -s 11.0.0.0/8 -j X")).refused == "-s 11.0.0.0/8"


def test_an_unknown_match_is_a_doubtful_turn() -> None:
    inside, outside, unknown, _ = START.parted(SET)
    assert (outside, unknown) == ([], ("-m set --match-set a src",))
    assert [(each.unknown, each.turns) for each in inside] == [(("-m set --match-set a src",), 1)]


def test_the_same_unknown_match_again_is_told_once_but_is_another_turn() -> None:
    (once,) = START.parted(SET).inside
    (twice,) = once.parted(SET).inside
    assert (twice.unknown, twice.turns) == (once.unknown, 2)


def test_marks_are_those_from_before_the_walk() -> None:
    flipped = replace(START, change=Change(0x4000, 0))
    inside, outside, *_ = flipped.parted(Rule("POSTROUTING", "-m mark --mark 0x4000/0x4000 -j X"))
    assert [each.packets.mark for each in inside] == [Bits(0, 0x4000)]
    assert [each.packets.mark for each in outside] == [Bits(0x4000, 0x4000)]


def test_marks_that_nobody_knows_part_nothing() -> None:
    lost = replace(START, change=Change.to_unknown())
    inside, outside, unknown, _ = lost.parted(Rule("POSTROUTING", "-m mark --mark 0x1 -j X"))
    assert ([each.packets for each in inside], outside, unknown) == ([ANY_MARK], [], ("--mark 0x1",))


def test_of_a_mark_of_which_some_bits_are_known_these_can_be_asked_for() -> None:
    partly = replace(START, change=Change.to_unknown().then(Change(0x10, 0x30)))
    for asked, met in (("0x10/0x30", True), ("0x20/0x20", False), ("0x21/0x21", False)):
        inside, outside, unknown, _ = partly.parted(Rule("POSTROUTING", f"-m mark --mark {asked} -j X"))
        assert ([bool(inside), bool(outside)], unknown) == ([met, not met], ()), asked
        inside, outside, unknown, _ = partly.parted(Rule("POSTROUTING", f"-m mark ! --mark {asked} -j X"))
        assert ([bool(inside), bool(outside)], unknown) == ([not met, met], ()), asked
    for asked in ("0x11/0x11", "0x10", "0x1/0x1", "odd"):
        inside, outside, unknown, _ = partly.parted(Rule("POSTROUTING", f"-m mark --mark {asked} -j X"))
        assert (len(inside), outside, unknown) == (1, [], (f"--mark {asked}",))


def test_the_mark_of_a_connection_is_asked_for_like_that_of_a_packet() -> None:
    opening = START.holding(START.packets.having("connmark", Bits()))
    rule = Rule("POSTROUTING", "-m connmark --mark 0x1/0x1 -j X")
    inside, outside, unknown, _ = opening.parted(rule)
    assert (inside, [each.packets for each in outside], unknown) == ([], [opening.packets], ())
    inside, outside, unknown, _ = START.parted(rule)
    assert (len(inside), outside, unknown) == (1, [], ("--mark 0x1/0x1",))
    untracked = opening.holding(opening.packets.having("state", frozenset({"UNTRACKED"})))
    assert untracked.parted(rule).unknown == ("--mark 0x1/0x1",)


def test_an_outcome_keeps_the_way_there() -> None:
    (piece,) = START.parted(SET).inside
    outcome = piece.outcome(Fate.DROP, SET)
    assert (outcome.packets, outcome.fate, outcome.path, outcome.rule) == (ANY_MARK, Fate.DROP, (SET,), SET)
    assert outcome.unknown == ("-m set --match-set a src",)


def test_a_flow_brings_back_what_goes_on_untouched() -> None:
    halves = [part(START, TEN), part(START, REST)]
    assert Flow(onward=halves).brings_back(START)
    assert not Flow(onward=halves, leaving=[START]).brings_back(START)
    assert not Flow(onward=halves, ended=[START.outcome(Fate.DROP, None)]).brings_back(START)
    assert not Flow(onward=[START.doubted(["x"])]).brings_back(START)
    assert not Flow(onward=[replace(START, change=Change(1, 1))]).brings_back(START)


def test_in_doubt_what_was_touched_goes_on_twice_and_the_rest_surely() -> None:
    (inside,) = START.parted(SET).inside
    marked = replace(part(inside, TEN), change=Change(1, 1))
    flow = Flow(onward=[part(inside, REST), marked]).doubted(START, inside)
    missed = replace(part(START, TEN), unknown=inside.unknown, turns=1)
    assert flow.onward == [part(START, REST), marked, missed]


def test_in_doubt_what_left_or_ended_may_also_go_on() -> None:
    (inside,) = START.parted(SET).inside
    ended = part(inside, REST).outcome(Fate.ACCEPT, SET)
    flow = Flow(leaving=[part(inside, TEN)], ended=[ended]).doubted(START, inside)
    missed = replace(START, unknown=inside.unknown, turns=1)
    assert flow == Flow([part(missed, TEN), part(missed, REST)], [part(inside, TEN)], [ended])


def test_a_certain_piece_covers_a_possible_one_and_never_the_reverse() -> None:
    possible = START.doubted(["x"])
    assert merged([possible], [START]) == [START]
    assert merged([START], [possible]) == [START]
    assert merged([part(possible, TEN)], [START]) == [START]
    assert merged([possible], [part(START, TEN)]) == [possible, part(START, TEN)]


def test_of_two_possible_pieces_the_wider_one_stays() -> None:
    possible = START.doubted(["x"])
    assert merged([part(possible, TEN)], [possible]) == [possible]
    assert merged([possible], [part(possible, TEN)]) == [possible]
    assert merged([], [part(possible, TEN), possible, possible]) == [possible]
    assert merged([part(possible, TEN)], [part(possible, REST)]) == [part(possible, TEN), part(possible, REST)]


def test_of_very_many_pieces_only_equal_ones_are_put_together() -> None:
    """Found by a random ruleset (seed 900139), whose 3,000 pieces were compared each with each for a minute."""
    many = [part(START, Intervals.single(number)) for number in range(0, 1000, 2)]
    doubted = [piece.doubted(["x"]) for piece in many]
    new = part(START, Intervals.single(1)).doubted(["x"])
    assert merged(many, [*doubted, new, new]) == [*many, new]
    assert merged(doubted, [*many, many[0]]) == [*doubted, *many]
    # A few are compared as sets.
    assert merged(many[:9], [new, part(START, Intervals.of([(0, 9)]))]) == [*many[5:9], part(START, Intervals.of([(0, 9)]))]


def test_pieces_with_other_marks_cover_nothing() -> None:
    possible = START.doubted(["x"])
    marked = replace(START, change=Change(1, 1))
    assert merged([marked], [possible]) == [marked, possible]


def test_certain_pieces_stay_as_they_are() -> None:
    assert merged([part(START, TEN)], [part(START, REST)]) == [part(START, TEN), part(START, REST)]
