"""natfix/report/packets.py: sets of packets in words and as JSON."""

import pytest

from natfix.packets import Intervals, Names, PacketSet
from natfix.packets.bits import Bits
from natfix.report.packets import described, marks, names, networks, packets_document, protocols, ranges
from natfix.ruleset import Family
from tests.unit.packets.tables import addresses, everything, tcp


def single(family: Family = Family.IPV4) -> PacketSet:
    ends = {Family.IPV4: ("172.7.21.2/32", "172.7.22.2/32"), Family.IPV6: ("fd00::2/128", "fd00::3/128")}[family]
    one = tcp(everything(family)).having("source", addresses(ends[0])).having("destination", addresses(ends[1]))
    return one.having("source_port", Intervals.single(40000)).having("destination_port", Intervals.single(80))


def test_one_packet_is_written_as_people_write_it() -> None:
    assert described(single()) == "tcp 172.7.21.2:40000 -> 172.7.22.2:80"
    assert described(single(Family.IPV6)) == "tcp [fd00::2]:40000 -> [fd00::3]:80"
    routed = single().having("in_interface", Names("docker0")).having("out_interface", Names("eth0"))
    assert described(routed.having("mark", Bits(0x4000))) == (
        "tcp 172.7.21.2:40000 -> 172.7.22.2:80 in docker0 out eth0 mark 0x4000"
    )


def test_a_set_is_written_as_networks() -> None:
    some = everything().having("source", addresses("172.7.21.0/24")).having("destination", addresses("172.7.0.0/16"))
    assert described(some) == "any protocol 172.7.21.0/24 -> 172.7.0.0/16"
    few = tcp(some).having("destination_port", Intervals(((80, 80), (443, 443))))
    assert described(few) == "tcp 172.7.21.0/24 -> 172.7.0.0/16 port 80, 443"
    assert described(some.having("in_interface", Names())) == "any protocol 172.7.21.0/24 -> 172.7.0.0/16"


def test_beside_another_set_only_what_is_narrower_is_said() -> None:
    whole = everything()
    assert described(whole, whole) == "all of them"
    part = whole.having("out_interface", Names("+", frozenset({"docker0"}))).having("destination", addresses("10.0.0.0/8"))
    assert described(part, whole) == "to 10.0.0.0/8, out any but docker0"
    narrow = tcp(whole).having("source", addresses("10.0.0.1/32")).having("source_port", Intervals(((1, 9),)))
    assert described(narrow, whole) == "from 10.0.0.1, tcp, from port 1-9"
    local = whole.having("destination_type", frozenset({"LOCAL", "BROADCAST"})).having("state", frozenset({"NEW"}))
    assert described(local.having("in_interface", Names("eth0")), whole) == (
        "in eth0, destination is BROADCAST or LOCAL, state NEW"
    )
    marked = (
        whole.having("mark", Bits(1))
        .having("source_type", frozenset({"LOCAL"}))
        .having("destination_port", Intervals.single(80))
    )
    assert described(marked, whole) == "to port 80, mark 0x1, source is LOCAL"


def test_many_networks_are_counted() -> None:
    rest = addresses("172.7.0.0/16") - addresses("172.7.21.0/24")
    assert networks(rest, Family.IPV4) == "172.7.0.0/20, 172.7.16.0/22, 172.7.20.0/24 and 5 more"
    assert networks(addresses("fd00::1/128"), Family.IPV6) == "fd00::1"


def test_ports_and_protocols() -> None:
    assert ranges(Intervals(((80, 80), (1024, 65535)))) == "80, 1024-65535"
    assert protocols(Intervals(((0, 255),))) == "any protocol"
    assert protocols(Intervals(((0, 5), (7, 255)))) == "any protocol but tcp"
    assert protocols(Intervals(((6, 6), (17, 17), (200, 200)))) == "tcp, udp, 200"


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        (None, "unknown"),
        (Names(), "any device"),
        (Names(""), "no device"),
        (Names("cali+"), "cali+"),
        (Names("+", frozenset({"docker0", "br+"})), "any but br+, docker0"),
        (Names("eth+", frozenset({"eth0"})), "eth+ but eth0"),
    ],
)
def test_devices(devices: Names | None, text: str) -> None:
    assert names(devices) == text


def test_marks() -> None:
    assert [marks(bits) for bits in (Bits(), Bits(0x4000), Bits(0, 0x4000), Bits(0, 0))] == [
        "0x0",
        "0x4000",
        "0x0/0x4000",
        "any",
    ]


def test_as_json_each_field_is_there() -> None:
    document = packets_document(single().having("in_interface", Names("+", frozenset({"lo"}))))
    assert document["source"] == ["172.7.21.2/32"]
    assert document["destination_port"] == [[80, 80]]
    assert document["in_interface"] == {"name": "+", "without": ["lo"]}
    assert document["mark"] == {"value": 0, "known": 0xFFFFFFFF}
    assert packets_document(everything())["in_interface"] is None
