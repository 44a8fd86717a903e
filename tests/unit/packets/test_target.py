"""natfix/packets/target.py: what targets do."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from natfix.packets import Fate, Intervals
from natfix.packets.bits import UNKNOWN, Bits, Change
from natfix.packets.piece import Piece
from natfix.packets.target import UNTRACKED, passed, rewritten
from natfix.ruleset import Family, Rule
from tests.unit.packets.tables import addresses, everything

START = Piece(everything())


def fates(spec: str, piece: Piece = START) -> list[tuple[Fate, Intervals]]:
    return [(each.fate, each.packets.source) for each in rewritten(Rule("POSTROUTING", spec), piece)]


def change(spec: str, before: Change | None = None) -> Change:
    return passed(Rule("POSTROUTING", spec), replace(START, change=before or Change())).change


@pytest.mark.parametrize("spec", ["-j MASQUERADE", "-j SNAT", "-j SNAT --to-source odd", "-j SAME --to 10.0.0.1"])
def test_source_nat_rewrites_every_source(spec: str) -> None:
    assert fates(spec) == [(Fate.SOURCE_NAT, START.packets.source)]


def test_ports_alone_leave_every_address_as_it_is() -> None:
    assert fates("-j SNAT --to-source :4000-5000") == [(Fate.ACCEPT, START.packets.source)]
    six = Piece(everything(Family.IPV6))
    assert fates("-j SNAT --to-source :80 --random", six) == [(Fate.ACCEPT, six.packets.source)]


def test_of_a_range_a_packet_keeps_the_address_that_it_has_in_it() -> None:
    """Found by the kernel: seed 1 of tests/kernel/test_way_agrees.py."""
    some = Intervals.of([(int(ip_address("192.0.2.1")), int(ip_address("192.0.2.9")))])
    rest = START.packets.source - some
    assert fates("-j SNAT --to-source 192.0.2.1-192.0.2.9") == [(Fate.ACCEPT, some), (Fate.SOURCE_NAT, rest)]
    for drawn in ("-j SNAT --to-source 192.0.2.1-192.0.2.9:80-90", "-j SNAT --to-source 192.0.2.1-192.0.2.9 --random-fully"):
        assert fates(drawn) == [(Fate.SOURCE_NAT, rest), (Fate.SOURCE_NAT, some)]
        doubts = [each.unknown for each in rewritten(Rule("POSTROUTING", drawn), START)]
        assert doubts == [(), (drawn.removeprefix("-j SNAT ").removesuffix(" --random-fully"),)]


def test_ports_change_no_address() -> None:
    one = addresses("192.0.2.1/32")
    assert fates("-j SNAT --to-source 192.0.2.1:80")[0] == (Fate.ACCEPT, one)
    six = Piece(everything(Family.IPV6).having("source", Intervals.single(int(ip_address("fd00::1")))))
    for text in ("fd00::1", "[fd00::1]:80", "fd00::1-fd00::9"):
        assert [fate for fate, _ in fates(f"-j SNAT --to-source {text}", six)] == [Fate.ACCEPT]


def test_source_nat_to_the_same_address_hides_nothing() -> None:
    one = addresses("192.0.2.1/32")
    assert fates("-j SNAT --to-source 192.0.2.1") == [
        (Fate.ACCEPT, one),
        (Fate.SOURCE_NAT, START.packets.source - one),
    ]
    itself = replace(START, packets=everything().having("source", one))
    assert fates("-j SNAT --to-source 192.0.2.1", itself) == [(Fate.ACCEPT, one)]


def test_mapping_a_network_onto_itself_hides_nothing() -> None:
    pods = addresses("172.7.21.0/24")
    assert fates("-j NETMAP --to 172.7.21.0/24")[0] == (Fate.ACCEPT, pods)


def test_ipv6_source_nat_to_the_same_address_hides_nothing() -> None:
    six = Piece(everything(Family.IPV6))
    assert fates("-j SNAT --to-source fd00::1", six)[0] == (Fate.ACCEPT, addresses("fd00::1/128"))
    assert [fate for fate, _ in fates("-j SNAT --to-source [fd00::1]:80", six)] == [Fate.ACCEPT, Fate.SOURCE_NAT]


@pytest.mark.parametrize("target", ["LOG", "NFLOG", "ULOG", "TRACE", "SET --add-set a src"])
def test_targets_that_change_nothing_change_nothing(target: str) -> None:
    assert passed(Rule("POSTROUTING", f"-j {target}"), START) == START
    assert passed(Rule("POSTROUTING", ""), START) == START


def test_a_target_that_is_not_known_leaves_a_doubt() -> None:
    seen = passed(Rule("POSTROUTING", "-j FULLCONENAT --to-ports 1"), START)
    assert (seen.packets, seen.unknown, seen.turns) == (START.packets, ("-j FULLCONENAT",), 1)
    assert seen.change == Change.to_unknown()


@pytest.mark.parametrize(
    ("words", "before", "after"),
    [
        ("--set-xmark 0x4000/0x0", 0x4001, 0x0001),
        ("--set-xmark 0x4000/0x4000", 0x0001, 0x4001),
        ("--set-xmark 0x1", 0xFF, 0x1),
        ("--set-mark 0x1", 0xFF, 0x1),
        ("--set-mark 0x3/0x1", 0xF0, 0xF3),
        ("--or-mark 0x2", 0x1, 0x3),
        ("--and-mark 0xf0", 0xFF, 0xF0),
        ("--xor-mark 0x3", 0x1, 0x2),
    ],
)
def test_mark_does_what_its_words_say(words: str, before: int, after: int) -> None:
    seen = change(f"-m mark --mark 0x9 -j MARK {words}")
    assert seen.of(Bits(before)) == Bits(after)


def test_marks_are_set_one_after_the_other() -> None:
    assert change("-j MARK --set-xmark 0x4000/0x0", Change(0x4000, 0x4000)) == Change(0, 0x4000)


@pytest.mark.parametrize(
    "spec",
    [
        "-j CONNMARK --restore-mark",
        "-j CONNMARK --restore-mark --nfmask odd --ctmask 0xffffffff",
        "-j CONNMARK --restore-mark --left-shift-mark 8",
        "-j MARK --set-xmark odd",
        "-j MARK --odd 1",
        "-j MARK",
        "-j HMARK --hmark-mod 2",
        "-j SET --map-set a src --map-mark",
    ],
)
def test_a_mark_from_elsewhere_is_known_to_nobody(spec: str) -> None:
    assert change(spec) == Change.to_unknown()


def test_bits_of_a_lost_mark_are_known_again_when_they_are_set() -> None:
    lost = replace(START, change=Change.to_unknown())
    seen = passed(Rule("POSTROUTING", "-j MARK --set-xmark 0x1/0x3"), lost).change
    assert seen.of(Bits(0x70)) == Bits(0x1, 0x3, 0xFFFFFFFC)
    seen = passed(Rule("POSTROUTING", "-j MARK --xor-mark 0x1"), lost).change
    assert seen == Change.to_unknown()
    assert passed(Rule("POSTROUTING", "-j MARK --set-xmark 0x1"), lost).change == Change(0x1, 0xFFFFFFFF)


def connection(*specs: str, mark: int = 0, held: Bits = Bits()) -> Piece:  # noqa: B008  (frozen)
    """A piece of a connection after some rules."""
    piece = START.holding(START.packets.having("mark", Bits(mark)).having("connmark", held))
    for spec in specs:
        piece = passed(Rule("PREROUTING", f"-j {spec}"), piece)
    return piece


def test_what_a_connection_was_marked_with_is_what_is_restored() -> None:
    piece = connection("CONNMARK --set-xmark 0x12/0xffffffff", "CONNMARK --restore-mark", mark=0x7)
    assert (piece.packets.connmark, piece.marked().mark) == (Bits(0x12), Bits(0x12))
    piece = connection("CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff", mark=0x7, held=Bits(0x13))
    # Bits that are restored to where nothing was cleared are flipped.
    assert piece.marked().mark == Bits(0x7 ^ 0x13)
    piece = connection("CONNMARK --restore-mark --mask 0xf", mark=0x70, held=Bits(0x13))
    assert piece.marked().mark == Bits(0x73)
    piece = connection("CONNMARK --restore-mark --nfmask 0xff --ctmask 0xf0", mark=0x7, held=Bits(0x3, 0xF, 0xFFFFFFF0))
    assert piece.marked().mark == Bits(0, 0xFFFFFF0F, 0xF0)


def test_what_a_packet_is_marked_with_is_what_is_saved() -> None:
    piece = connection("MARK --set-xmark 0x35/0xff", "CONNMARK --save-mark --nfmask 0x0f --ctmask 0xff", held=Bits(0x100))
    assert piece.packets.connmark == Bits(0x105)
    piece = connection("HMARK --hmark-mod 2", "MARK --set-xmark 0x1/0x1", "CONNMARK --save-mark")
    assert piece.packets.connmark == Bits(0x1, 0x1, 0xFFFFFFFE)
    assert connection("CONNMARK --save-mark --left-shift-mark 1", mark=1).packets.connmark == UNKNOWN
    assert connection("CONNMARK --and-mark 0xf", held=Bits(0x13)).packets.connmark == Bits(0x3)
    # What parts the packets is no one value for their connections.
    free = START.holding(START.packets.having("mark", Bits(0, 0)))
    assert passed(Rule("PREROUTING", "-j CONNMARK --save-mark"), free).packets.connmark == UNKNOWN


def test_a_connection_that_nobody_tracks_has_no_mark() -> None:
    piece = START.holding(START.packets.having("state", UNTRACKED))
    for rule in ("-j CONNMARK --restore-mark", "-j CONNMARK --set-xmark 0x1/0x1", "-j CONNMARK --save-mark"):
        assert passed(Rule("PREROUTING", rule), piece) == piece
