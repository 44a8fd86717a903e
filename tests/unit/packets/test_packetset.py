"""natfix/packets/packetset.py: sets of packets, and the one picked to show."""

from ipaddress import ip_address

import pytest

from natfix.packets import Intervals, Names, Packet, PacketSet, address, witness
from natfix.packets.bits import Bits
from natfix.packets.packetset import PROTOCOL_NAMES, PROTOCOLS
from natfix.ruleset import Family
from tests.unit.packets.tables import addresses, everything

PODS = addresses("172.7.21.0/24")
REST = addresses("172.7.0.0/16") - PODS
HIDDEN = PacketSet(Family.IPV4, PODS, REST, Names().excluding("docker0") or Names())


def test_an_address_is_an_integer_of_a_family() -> None:
    assert address(1, Family.IPV4) == ip_address("0.0.0.1")
    assert address(1, Family.IPV6) == ip_address("::1")


def test_the_set_of_every_address_has_as_many_as_its_width_allows() -> None:
    assert [everything(family).source.size for family in Family] == [2**32, 2**128]


def test_another_set_has_another_value_for_one_field_alone() -> None:
    other = HIDDEN.having("mark", Bits(1, 1))
    assert (other.mark, HIDDEN.mark) == (Bits(1, 1), Bits())
    assert other.having("mark", Bits()) == HIDDEN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source", addresses("172.7.21.9/32")),
        ("destination", addresses("172.7.22.0/24")),
        ("out_interface", Names("eth0")),
        ("protocol", Intervals.single(6)),
        ("source_port", Intervals.single(1)),
        ("destination_port", Intervals.single(1)),
        ("source_type", frozenset({"LOCAL"})),
        ("destination_type", frozenset({"LOCAL"})),
        ("state", frozenset({"NEW"})),
        ("in_interface", Names("eth0")),
    ],
)
def test_a_set_is_within_another_when_each_field_is(name: str, value: object) -> None:
    whole = HIDDEN.having("in_interface", Names())
    part = whole.having(name, value)
    assert part <= whole
    assert not whole <= part


def test_a_set_with_other_marks_is_not_within() -> None:
    unmarked = HIDDEN
    assert unmarked <= HIDDEN.having("mark", Bits(0, 0))
    assert not unmarked <= HIDDEN.having("mark", Bits(1))


def test_what_nobody_can_tell_of_a_set_is_only_within_itself() -> None:
    told = HIDDEN.having("in_interface", Names())
    unmarked = HIDDEN
    assert unmarked <= HIDDEN.having("mark", Bits(0, 0))
    assert not told <= unmarked
    assert not unmarked <= told


def test_a_packet_on_its_way_in_tells_by_which_device_it_came() -> None:
    coming = HIDDEN.having("in_interface", Names().excluding("docker0")).having("protocol", Intervals.single(6))
    shown = witness(
        coming.having("source", REST).having("destination", PODS).having("out_interface", Names("docker0")), near=PODS
    )
    assert str(shown) == "tcp 172.7.22.2:40000 -> 172.7.21.2:80 in eth0 out docker0"
    before_routing = coming.having("out_interface", Names(""))
    assert str(witness(before_routing, devices=("eth7",))).endswith(":80 in eth7")


def test_every_protocol_number_has_one_name_that_iptables_writes() -> None:
    assert all(PROTOCOLS[name] == number for number, name in PROTOCOL_NAMES.items())
    assert {number: PROTOCOL_NAMES[number] for number in (4, 6, 17, 41, 47, 51, 89, 132)} == {
        4: "ipencap", 6: "tcp", 17: "udp", 41: "ipv6", 47: "gre", 51: "ah", 89: "ospf", 132: "sctp",
    }  # fmt: skip
    assert PROTOCOL_NAMES[58] == "icmpv6"


def test_the_packet_picked_is_the_most_ordinary_one() -> None:
    packet = witness(HIDDEN, near=PODS)
    assert str(packet) == "tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0"
    assert packet == Packet(ip_address("172.7.21.2"), ip_address("172.7.22.2"), "eth0", "tcp", 40000, 80, 0)


def test_a_device_of_the_host_is_preferred() -> None:
    assert witness(HIDDEN, devices=("docker0", "ens3")).out_interface == "ens3"


def test_without_a_subnet_nearby_the_last_part_of_the_destination_is_taken() -> None:
    two = HIDDEN.having("destination", addresses("10.0.0.0/24", "10.9.0.0/24"))
    assert str(witness(two).destination) == "10.9.0.2"
    near_the_end = HIDDEN.having("destination", addresses("10.0.0.0/24", "10.9.0.0/32"))
    assert str(witness(near_the_end).destination) == "10.0.0.2"
    assert str(witness(near_the_end, near=PODS).destination) == "10.0.0.2"


def test_what_is_not_ordinary_is_picked_when_nothing_else_is_there() -> None:
    odd = PacketSet(
        Family.IPV4,
        addresses("10.0.0.1/32"),
        addresses("10.0.0.9/32"),
        Names("eth7"),
        Intervals.of([(6, 17)]),
        Intervals.single(7),
        Intervals.of([(5, 6)]),
        Bits(0x4000, 0x4000),
    )
    assert str(witness(odd)) == "tcp 10.0.0.1:7 -> 10.0.0.9:5 out eth7 mark 0x4000"


@pytest.mark.parametrize(
    ("protocol", "text"),
    [
        (1, "icmp 172.7.21.2 -> 172.7.22.2 out eth0"),
        (17, "udp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0"),
        (253, "253 172.7.21.2 -> 172.7.22.2 out eth0"),
    ],
)
def test_only_protocols_with_ports_show_ports(protocol: int, text: str) -> None:
    assert str(witness(HIDDEN.having("protocol", Intervals.single(protocol)), near=PODS)) == text


def test_an_ipv6_packet_is_written_with_brackets() -> None:
    pods = addresses("fd00:21::/64")
    packets = PacketSet(Family.IPV6, pods, addresses("fd00:22::/64"))
    assert str(witness(packets)) == "tcp [fd00:21::2]:40000 -> [fd00:22::2]:80 out eth0"


def test_the_icmp_of_a_packet_is_that_of_its_family() -> None:
    rest = Intervals(((0, 5), (7, 16), (18, 255)))
    ends = addresses("fd00:21::/64"), addresses("fd00:22::/64")
    assert witness(PacketSet(Family.IPV6, *ends).having("protocol", rest)).protocol == "icmpv6"
    assert witness(HIDDEN.having("protocol", rest)).protocol == "icmp"
