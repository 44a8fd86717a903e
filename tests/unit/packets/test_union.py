"""natfix/packets/union.py: fewer sets that hold the same packets."""

from natfix.packets import Intervals, Names, PacketSet, joined
from natfix.packets.bits import Bits
from natfix.ruleset import Family
from tests.unit.packets.tables import addresses, everything, tcp

PODS = PacketSet(Family.IPV4, addresses("172.7.21.0/24"), addresses("172.7.0.0/16"))
TCP = tcp(PODS)


def having(**values: object) -> PacketSet:
    made = PODS
    for name, value in values.items():
        made = made.having(name, value)
    return made


def test_one_set_and_none_stay_as_they_are() -> None:
    assert joined([]) == ()
    assert joined([PODS]) == joined([PODS, PODS]) == (PODS,)


def test_a_set_that_another_holds_is_left_out() -> None:
    assert joined([TCP, PODS]) == joined([PODS, TCP]) == (PODS,)


def test_sets_that_differ_in_addresses_ports_or_types_become_one() -> None:
    halves = [having(destination=addresses(text)) for text in ("172.7.0.0/17", "172.7.128.0/17")]
    assert joined(halves) == (PODS,)
    apart = [having(destination=addresses(text)) for text in ("172.7.1.0/24", "172.7.9.0/24")]
    assert joined(apart) == (having(destination=addresses("172.7.1.0/24", "172.7.9.0/24")),)
    states = [having(state=frozenset({name})) for name in ("NEW", "RELATED")]
    assert joined(states) == (PODS,)


def test_a_device_goes_back_to_those_that_it_was_carved_out_of() -> None:
    without = having(out_interface=Names("+", frozenset({"docker0", "lo"})))
    docker = having(out_interface=Names("docker0"))
    assert joined([without, docker]) == joined([docker, without]) == (having(out_interface=Names("+", frozenset({"lo"}))),)
    # Of a pattern that was carved out with names of its own left over, these are left over still.
    veths = having(out_interface=Names("veth+", frozenset({"veth9"})))
    rest = having(out_interface=Names("+", frozenset({"veth+"})))
    assert joined([veths, rest]) == (having(out_interface=Names("+", frozenset({"veth9"}))),)


def test_devices_that_have_nothing_to_do_with_each_other_stay_apart() -> None:
    one, other = having(out_interface=Names("eth0")), having(out_interface=Names("eth1"))
    assert joined([one, other]) == (one, other)
    known, unknown = having(in_interface=Names("eth0")), PODS
    assert joined([known, unknown]) == (known, unknown)
    assert joined([unknown, known]) == (unknown, known)


def test_marks_that_differ_in_one_bit_become_one() -> None:
    zero, one, two = (having(mark=Bits(value)) for value in (0, 1, 2))
    assert joined([zero, one]) == (having(mark=Bits(0, 0xFFFFFFFE)),)
    assert joined([one, two]) == (one, two)
    assert joined([zero, having(mark=Bits(1, 1))]) == (zero, having(mark=Bits(1, 1)))


def test_sets_that_differ_in_two_fields_stay_apart() -> None:
    other = having(source=addresses("172.7.22.0/24"), state=frozenset({"NEW"}))
    assert joined([TCP, other]) == (TCP, other)


def test_what_has_grown_is_tried_with_all_others_again() -> None:
    first, second = (having(protocol=Intervals.of([pair])) for pair in ((0, 5), (7, 255)))
    left, right = (TCP.having("destination", addresses(text)) for text in ("172.7.0.0/17", "172.7.128.0/17"))
    assert joined([first, left, second, right]) == (PODS,)


def test_of_very_many_none_is_tried() -> None:
    many = [everything().having("destination_port", Intervals.single(number)) for number in range(65)]
    assert joined(many) == tuple(many)
    assert len(joined(many[:64])) == 1
