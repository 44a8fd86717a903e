"""natfix/app/trace.py: what is asked for, and what the host adds to it."""

from ipaddress import ip_interface
from typing import Any

import pytest

from natfix.app.ports import Interface, Route
from natfix.app.trace import asked, trace_host, trace_texts
from natfix.errors import UsageError
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.packets import Fate, Intervals, Names
from natfix.packets.bits import Bits
from natfix.packets.ipset import parse_ipsets
from natfix.report.trace import Traced
from natfix.ruleset import parse, parse_network
from tests.unit.app.twins import BROAD, LEGACY4, NFT4, NFT6, both, nat
from tests.unit.packets.tables import addresses

DOCKER0 = Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"),))
ETH0 = Interface("eth0", "", (ip_interface("10.4.7.21/24"), ip_interface("fd04::21/64")))
ROUTES = (
    Route(parse_network("0.0.0.0/0"), "10.4.7.254", "eth0"),
    Route(parse_network("172.7.21.0/24"), "", "docker0"),
    Route(parse_network("172.7.22.0/24"), "10.4.7.22", "eth0"),
    Route(parse_network("::/0"), "fd04::1", "eth0"),
)
HOST = MemoryLinks((DOCKER0, ETH0), ROUTES)


def on_host(source: str, destination: str, *, text: str = nat(BROAD), links: MemoryLinks = HOST, **options: Any) -> Traced:  # noqa: ANN401
    return trace_host(asked(source, destination, **options), [MemoryRulesetStore(NFT4, text)], links)


def in_text(source: str, destination: str, *, text: str = nat(BROAD), **options: Any) -> Traced:  # noqa: ANN401
    return trace_texts(asked(source, destination, **options), [parse(text.encode(), "dump.save")])


def fates(traced: Traced) -> list[Fate]:
    return [end.fate for end in traced.trace.ends]


def test_the_host_says_which_devices_a_packet_comes_and_leaves_by() -> None:
    traced = on_host("172.7.21.2", "172.7.22.2")
    assert (traced.packets.in_interface, traced.packets.out_interface) == (Names("docker0"), Names("eth0"))
    assert traced.notes == (
        "out eth0: from the route to 172.7.22.0/24",
        "in docker0: from the route to 172.7.21.0/24",
    )
    assert (fates(traced), traced.sources, traced.addresses["eth0"]) == ([Fate.SOURCE_NAT], (str(NFT4),), "10.4.7.21")


def test_a_device_that_is_named_counts_more_than_the_routes() -> None:
    traced = on_host("172.7.21.2", "172.7.22.2", out_interface="docker0", in_interface="eth0")
    assert (traced.packets.in_interface, traced.packets.out_interface) == (Names("eth0"), Names("docker0"))
    assert (fates(traced), traced.notes) == ([Fate.ACCEPT], ())


def test_a_network_to_which_several_devices_lead_leaves_by_any() -> None:
    assert on_host("172.7.21.2", "172.7.0.0/16").packets.out_interface == Names()
    assert on_host("172.7.21.2", "172.7.22.0/24").packets.out_interface == Names("eth0")
    assert on_host("172.7.21.2", "172.7.22.2", links=MemoryLinks()).packets.out_interface == Names()


def test_a_text_knows_no_devices_so_both_ways_are_told() -> None:
    traced = in_text("172.7.21.2", "172.7.22.2")
    assert traced.packets.out_interface == Names()
    assert sorted(fate.value for fate in fates(traced)) == ["accept", "source-nat"]
    assert (traced.addresses, traced.sources) == ({}, ("dump.save",))


def test_one_packet_is_tcp_to_port_80_unless_it_is_said_otherwise() -> None:
    packets = in_text("172.7.21.2", "172.7.22.2").packets
    assert (packets.protocol, packets.destination_port) == (Intervals.single(6), Intervals.single(80))
    assert packets.source_port == Intervals.single(40000)
    packets = in_text("172.7.21.2", "172.7.22.2", protocol="UDP", source_port=5353, destination_port=53, mark="0x4000").packets
    assert (packets.protocol, packets.source_port) == (Intervals.single(17), Intervals.single(5353))
    assert (packets.destination_port, packets.mark) == (Intervals.single(53), Bits(0x4000))
    packets = in_text("172.7.21.2", "172.7.22.2", protocol="icmp").packets
    assert (packets.protocol, packets.source_port.size) == (Intervals.single(1), 65536)


def test_a_set_is_of_any_protocol_unless_a_port_is_asked_for() -> None:
    assert in_text("172.7.21.0/24", "172.7.0.0/16").packets.protocol.size == 256
    packets = in_text("172.7.21.0/24", "172.7.0.0/16", destination_port=443).packets
    assert (packets.protocol, packets.source_port.size) == (Intervals.single(6), 65536)
    assert packets.source == addresses("172.7.21.0/24")


def test_what_kind_of_address_an_end_is() -> None:
    assert on_host("172.7.21.2", "10.4.7.21").packets.destination_type == {"LOCAL"}
    assert on_host("172.7.21.2", "10.4.7.22").packets.destination_type == {"UNICAST"}
    assert on_host("172.7.21.2", "224.0.0.251", protocol="udp").packets.destination_type == {"MULTICAST"}


def test_a_packet_of_this_host_goes_out_and_not_through() -> None:
    text = "*nat\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
    traced = in_text("10.4.7.21", "172.7.22.2", text=text, local=True)
    assert [stage.place.chain for stage in traced.trace.stages] == ["OUTPUT", "POSTROUTING"]


def test_both_backends_are_asked_and_the_other_family_is_not() -> None:
    stores = [MemoryRulesetStore(NFT4), MemoryRulesetStore(LEGACY4, nat(BROAD)), MemoryRulesetStore(NFT6)]
    traced = trace_host(asked("172.7.21.2", "172.7.22.2"), stores, HOST)
    assert traced.sources == (str(NFT4), str(LEGACY4))
    assert fates(traced) == [Fate.SOURCE_NAT]
    six = trace_host(asked("fd07:21::2", "fd07:22::2"), stores, HOST)
    assert (six.sources, six.packets.out_interface, six.addresses) == ((str(NFT6),), Names("eth0"), {"eth0": "fd04::21"})


def test_sets_are_resolved() -> None:
    text = nat("-m set --match-set pods dst -j RETURN", BROAD)
    sets = parse_ipsets("create pods hash:net family inet\nadd pods 172.7.0.0/16\n", "sets")
    wanted = asked("172.7.21.2", "172.7.22.2")
    assert fates(trace_texts(wanted, [parse(text.encode(), "dump.save")], sets)) == [Fate.ACCEPT]


@pytest.mark.parametrize(
    ("source", "destination", "options", "problem"),
    [
        ("172.7.21", "172.7.22.2", {}, "SOURCE: 172.7.21 is neither an address nor a network"),
        ("172.7.21.2", "pod", {}, "DESTINATION: pod is neither"),
        ("172.7.21.2/24", "172.7.22.2", {}, "an address with the prefix of a network"),
        ("172.7.21.2", "fd07::2", {}, "are of two families"),
        ("172.7.21.2", "172.7.22.2", {"protocol": "quic"}, "--proto: quic is no protocol"),
        ("172.7.21.2", "172.7.22.2", {"protocol": "256"}, "--proto: 256 is no protocol"),
        ("172.7.21.2", "172.7.22.2", {"protocol": "icmp", "destination_port": 80}, "icmp has no ports"),
        ("172.7.21.2", "172.7.22.2", {"destination_port": 65536}, "65536 is no port"),
        ("172.7.21.2", "172.7.22.2", {"source_port": -1}, "-1 is no port"),
        ("172.7.21.2", "172.7.22.2", {"mark": "green"}, "--mark: green is no firewall mark"),
        ("172.7.21.2", "172.7.22.2", {"mark": "0x100000000"}, "is no firewall mark"),
        ("172.7.21.2", "172.7.22.2", {"local": True, "in_interface": "eth0"}, "exclude each other"),
    ],
)
def test_what_makes_no_sense_is_refused(source: str, destination: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        asked(source, destination, **options)


def test_a_text_of_the_other_family_has_nothing_to_say() -> None:
    with pytest.raises(UsageError, match=r"dump\.save: there is no IPv6 table"):
        in_text("fd07:21::2", "fd07:22::2")
    with pytest.raises(UsageError, match="this host: there is no IPv6 table"):
        on_host("fd07:21::2", "fd07:22::2")


def test_a_packet_for_this_host_comes_in_and_leaves_by_nothing_that_is_known() -> None:
    packets = on_host("172.7.22.2", "10.4.7.21").packets
    assert (packets.in_interface, packets.out_interface) == (Names("eth0"), Names())
    named = on_host("172.7.22.2", "10.4.7.21", out_interface="docker0").packets
    assert named.out_interface == Names("docker0")


def test_a_packet_of_this_host_came_in_by_nothing() -> None:
    assert on_host("10.4.7.21", "172.7.22.2", local=True).packets.in_interface == Names("")


def test_both_backends_of_a_text_are_walked() -> None:
    traced = in_text("172.7.21.2", "172.7.22.2", text=both(nat("-d 10.0.0.0/8 -j ACCEPT"), nat(BROAD)), out_interface="eth0")
    origins = [stage.place.origin for stage in traced.trace.stages]
    assert origins == ["dump.save (iptables-nft)", "dump.save (iptables-legacy)"]
    assert (fates(traced), traced.sources) == ([Fate.SOURCE_NAT], ("dump.save",))
    assert traced.notes == (
        "dump.save holds what iptables-nft and iptables-legacy printed; the kernel asks both, and so does natfix",
    )
