"""Connections: its twin, and the kernel's tracking table of a namespace with entries made for the test."""

import re
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

import pytest

from natfix.app.change_ports import Connections, Rewritten
from natfix.host.conntrack import Connection, ConntrackTable
from natfix.host.memory.connections import MemoryConnections
from tests.netns import command

PROTOCOLS = {
    "tcp": "-p tcp --sport 1234 --dport 80 --reply-port-src 80 --reply-port-dst 1234 --state ESTABLISHED",
    "udp": "-p udp --sport 1234 --dport 53 --reply-port-src 53 --reply-port-dst 1234",
    "icmp": "-p icmp --icmp-type 8 --icmp-code 0 --icmp-id 77",
    "icmpv6": "-p icmpv6 --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77",
    "esp": "-p 50",
}
Show = Callable[[], list[Connection]]
Make = Callable[[Sequence[Connection]], tuple[Connections, Show]]


def connection(*addresses: str) -> Connection:
    return Connection(*(ip_address(address) for address in addresses))


def which(source: str, *destinations: str, excluded: Sequence[str] = ()) -> Rewritten:
    return Rewritten(
        ip_network(source),
        tuple(ip_network(text) for text in destinations),
        tuple(ip_network(text) for text in excluded),
    )


def track(entry: Connection, protocol: str, *more: str) -> None:
    words = f"-s {entry.source} -d {entry.destination} -r {entry.reply_source} -q {entry.reply_destination}".split()
    command("conntrack", "-I", *words, *PROTOCOLS[protocol].split(), "--timeout", "100", *more)


def tracked() -> list[Connection]:
    """Read the table with a program that is not natfix's."""
    listing = command("conntrack", "-L", "-f", "ipv4") + command("conntrack", "-L", "-f", "ipv6")
    found = [re.findall(r"(?:src|dst)=(\S+)", line) for line in listing.splitlines()]
    return [connection(*words) for words in found]


def in_memory(entries: Sequence[Connection]) -> tuple[Connections, Show]:
    twin = MemoryConnections(entries)
    return twin, lambda: list(twin.entries)


def in_kernel(entries: Sequence[Connection]) -> tuple[Connections, Show]:
    for entry in entries:
        track(entry, "tcp")
    return ConntrackTable(), tracked


@pytest.fixture(
    params=[
        pytest.param(in_memory, id="twin"),
        pytest.param(in_kernel, id="ctnetlink", marks=pytest.mark.kernel("conntrack")),
    ]
)
def make(request: pytest.FixtureRequest) -> Make:
    if request.param is in_kernel:
        request.getfixturevalue("netns")
        _start_tracking()
    made: Make = request.param
    return made


def _start_tracking() -> None:
    """A namespace tracks connections once a rule needs it."""
    for program in ("iptables-nft", "ip6tables-nft"):
        command(program, "-t", "nat", "-A", "POSTROUTING", "-j", "RETURN")


REWRITTEN = connection("172.7.21.2", "172.7.22.2", "172.7.22.2", "10.4.7.21")
UNTOUCHED = connection("172.7.21.3", "172.7.22.2", "172.7.22.2", "172.7.21.3")
OUTSIDE = connection("172.7.21.2", "198.51.100.7", "198.51.100.7", "10.4.7.21")
ANOTHER_POD = connection("172.7.23.2", "172.7.22.3", "172.7.22.3", "10.4.7.21")
HAIRPIN = connection("172.7.21.2", "10.4.7.21", "172.7.21.5", "172.7.21.1")
BY_SERVICE = connection("172.7.21.2", "10.254.0.1", "172.7.22.9", "10.4.7.21")
ALL = [REWRITTEN, UNTOUCHED, OUTSIDE, ANOTHER_POD, HAIRPIN, BY_SERVICE]
SIX = connection("fd07:21::2", "fd07:22::2", "fd07:22::2", "fd00:10::21")


def test_only_rewritten_connections_between_the_networks_are_dropped(make: Make) -> None:
    connections, show = make(ALL)
    assert connections.forget([which("172.7.21.0/24", "172.7.0.0/16", excluded=["172.7.21.0/24"])]) == 2
    assert set(show()) == {UNTOUCHED, OUTSIDE, ANOTHER_POD, HAIRPIN}


def test_the_other_end_counts_as_it_is_after_dnat(make: Make) -> None:
    connections, show = make([BY_SERVICE])
    assert connections.forget([which("172.7.21.0/24", "10.254.0.0/16")]) == 0
    assert connections.forget([which("172.7.21.0/24", "172.7.22.0/24")]) == 1
    assert show() == []


def test_each_family_is_looked_at_on_its_own(make: Make) -> None:
    connections, show = make([REWRITTEN, SIX])
    assert connections.forget([which("fd07:21::/64", "fd07::/16")]) == 1
    assert show() == [REWRITTEN]


def test_several_subnets_are_dropped_at_once_and_each_connection_once(make: Make) -> None:
    connections, show = make([*ALL, SIX])
    wanted = [which(f"172.7.{number}.0/24", "172.7.22.0/24") for number in (21, 21, 23)]
    assert connections.forget([*wanted, which("fd07:21::/64", "fd07::/16")]) == 4
    assert set(show()) == {UNTOUCHED, OUTSIDE, HAIRPIN}


def test_nothing_wanted_drops_nothing(make: Make) -> None:
    connections, show = make(ALL)
    assert connections.forget([]) == 0
    assert set(show()) == set(ALL)


@pytest.mark.kernel("conntrack")
@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp", "esp"])
def test_every_protocol_is_dropped(netns: str, protocol: str) -> None:
    _start_tracking()
    track(REWRITTEN, protocol)
    track(UNTOUCHED, protocol)
    assert ConntrackTable().forget([which("172.7.21.0/24", "172.7.0.0/16")]) == 1
    assert tracked() == [UNTOUCHED]


@pytest.mark.kernel("conntrack")
def test_icmpv6_is_dropped(netns: str) -> None:
    _start_tracking()
    track(SIX, "icmpv6")
    assert ConntrackTable().forget([which("fd07:21::/64", "fd07::/16")]) == 1
    assert tracked() == []


@pytest.mark.kernel("conntrack")
def test_a_connection_in_a_zone_is_dropped_in_its_zone(netns: str) -> None:
    _start_tracking()
    track(REWRITTEN, "tcp", "--zone", "5")
    track(UNTOUCHED, "tcp")
    assert ConntrackTable().forget([which("172.7.21.0/24", "172.7.0.0/16")]) == 1
    assert tracked() == [UNTOUCHED]
