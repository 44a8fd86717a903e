"""The data plane beside the programs that administrators look with, and with packets through it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network

import pytest

from natfix.app.node.ports import Disturbance
from natfix.host.dataplane.own import OwnWrites
from natfix.host.dataplane.plane import HostDataPlane
from natfix.host.dataplane.watch import HostDataPlaneWatch
from natfix.routing.backends import Here, VxlanBackend, backend_of, vtep_mac
from natfix.routing.difference import diff
from natfix.routing.lease import Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Operation, Route, VxlanDevice
from natfix.routing.subnet import Subnet
from tests.netns import command, enter, namespace

pytestmark = pytest.mark.kernel

UPLINK = """
link add eth0 type veth peer name wire
link set eth0 addrgenmode none
address add 10.4.7.21/24 dev eth0
address add fd00:4::21/64 dev eth0 nodad
link set wire up
link set eth0 up
"""
NETWORKS = (ip_network("172.7.0.0/16"), ip_network("fd00:7::/48"))
DEVICE = VxlanDevice("flannel.1", 1, "eth0", ip_address("10.4.7.21"), 8472, 1450, "02:00:00:00:04:21")
ENTRIES = (
    DEVICE,
    LinkAddress("flannel.1", ip_interface("172.7.21.0/32")),
    FdbEntry("flannel.1", "02:00:00:00:04:22", ip_address("10.4.7.22")),
    Neighbour("flannel.1", ip_address("172.7.22.0"), "02:00:00:00:04:22"),
    Route(ip_network("172.7.22.0/24"), ip_address("172.7.22.0"), "flannel.1", onlink=True),
)


@pytest.fixture
def plane(netns: str) -> Iterator[HostDataPlane]:
    command("ip", "-batch", "-", data=UPLINK)
    with closing(HostDataPlane()) as made:
        yield made


def put(plane: HostDataPlane, *entries: VxlanDevice | LinkAddress | FdbEntry | Neighbour | Route) -> None:
    assert list(plane.carry_out([Operation(put=True, entry=entry) for entry in entries])) == []


def test_ip_and_bridge_see_what_was_put(plane: HostDataPlane) -> None:
    put(plane, *ENTRIES)
    link = command("ip", "-d", "link", "show", "flannel.1")
    assert "vxlan id 1 local 10.4.7.21 dev eth0 srcport 0 0 dstport 8472 nolearning" in link
    assert "mtu 1450" in link
    assert "link/ether 02:00:00:00:04:21" in link
    assert "172.7.21.0/32 scope global flannel.1" in command("ip", "address", "show", "flannel.1")
    assert "172.7.22.0/24 via 172.7.22.0 dev flannel.1 onlink" in command("ip", "route", "show", "proto", "110")
    assert "172.7.22.0 lladdr 02:00:00:00:04:22 PERMANENT" in command("ip", "neigh", "show", "dev", "flannel.1")
    entry = "02:00:00:00:04:22 dst 10.4.7.22 self permanent"
    assert entry in command("bridge", "fdb", "show", "dev", "flannel.1")
    assert command("sysctl", "-n", "net.ipv6.conf.flannel/1.accept_ra").strip() == "0"


def test_what_flanneld_leaves_behind_is_read_as_what_it_is(plane: HostDataPlane) -> None:
    command(
        "ip",
        "-batch",
        "-",
        data="""
link add flannel.1 address 02:00:00:00:04:21 mtu 1450 type vxlan id 1 local 10.4.7.21 dev eth0 dstport 8472 nolearning
address add 172.7.21.0/32 dev flannel.1
link set flannel.1 up
neigh add 172.7.22.0 lladdr 02:00:00:00:04:22 nud permanent dev flannel.1
neigh add 172.7.99.0 lladdr 02:00:00:00:04:99 nud stale dev flannel.1
route add 172.7.22.0/24 via 172.7.22.0 dev flannel.1 onlink
route add 172.7.23.0/24 via 10.4.7.23 dev eth0
route add 172.8.0.0/24 via 10.4.7.23 dev eth0
""",
    )
    command("bridge", "fdb", "add", "02:00:00:00:04:22", "dev", "flannel.1", "dst", "10.4.7.22")
    state = plane.read(NETWORKS, ["flannel.1"])
    device, address, entry, neighbour, through = ENTRIES
    assert isinstance(through, Route)
    assert (*state.devices, *state.fdb, *state.neighbours) == (device, entry, neighbour)
    assert address in state.addresses
    direct = Route(ip_network("172.7.23.0/24"), ip_address("10.4.7.23"), "eth0", protocol=3)
    assert state.routes == {replace(through, protocol=3), direct}


def test_every_kind_of_route_is_read(plane: HostDataPlane) -> None:
    command(
        "ip",
        "-batch",
        "-",
        data="""
route add 172.7.1.0/24 nexthop via 10.4.7.1 dev eth0 nexthop via 10.4.7.2 dev eth0 onlink
route add 172.7.2.0/24 via inet6 fd00:4::2 dev eth0 proto bird
route add blackhole 172.7.3.0/24 metric 20
route add 172.7.4.0/24 dev eth0 scope link
route add 172.7.5.0/24 via 10.4.7.5 table 100
route add local 172.7.6.0/24 dev lo
route add unreachable fd00:7:0:1::/64
route add fd00:7:0:2::/64 nexthop via fd00:4::1 nexthop via fd00:4::2
route add fd00:7:0:3::/64 via fd00:4::3 metric 7
nexthop add id 1 via 10.4.7.26 dev eth0
route add 172.7.7.0/24 nhid 1
""",
    )
    lines = sorted(
        f"{route.destination} {route.gateway} {route.link} {route.onlink:d} {route.protocol} {route.metric}"
        for route in plane.read(NETWORKS, []).routes
    )
    assert lines == [
        "172.7.1.0/24 10.4.7.1 eth0 0 3 0",
        "172.7.1.0/24 10.4.7.2 eth0 1 3 0",
        "172.7.2.0/24 fd00:4::2 eth0 0 12 0",
        "172.7.3.0/24 None  0 3 20",
        "172.7.4.0/24 None eth0 0 3 0",
        "172.7.7.0/24 10.4.7.26 eth0 0 3 0",
        "fd00:7:0:1::/64 None  0 3 0",
        "fd00:7:0:2::/64 fd00:4::1 eth0 0 3 0",
        "fd00:7:0:2::/64 fd00:4::2 eth0 0 3 0",
        "fd00:7:0:3::/64 fd00:4::3 eth0 0 3 7",
    ]


@pytest.mark.parametrize("words", ["group 239.1.1.1 dev eth0", "external", "dev eth0 proxy", "remote 10.4.7.22 dev eth0"])
def test_a_device_that_natfix_would_never_make_so_is_made_anew(plane: HostDataPlane, words: str) -> None:
    kind = words if words == "external" else f"id 1 local 10.4.7.21 {words}"
    command("ip", "link", "add", "flannel.1", "type", "vxlan", *kind.split(), "dstport", "8472")
    wanted = NetState(devices=frozenset((DEVICE,)))
    operations = diff(plane.read(NETWORKS, ["flannel.1"]), wanted)
    assert [operation.put for operation in operations] == [False, True]
    assert list(plane.carry_out(operations)) == []
    assert plane.read(NETWORKS, ["flannel.1"]).devices == {DEVICE}


def test_another_kind_of_device_of_that_name_is_left(plane: HostDataPlane) -> None:
    command("ip", "link", "add", "flannel.1", "type", "bridge")
    assert plane.read(NETWORKS, ["flannel.1"]) == NetState()
    for put_it in (True, False):
        (failure,) = plane.carry_out([Operation(put_it, DEVICE)])
        assert failure.reason.startswith("File exists: ")
    assert "bridge" in command("ip", "-d", "link", "show", "flannel.1")


def test_a_route_that_a_more_specific_one_covers_is_still_known_as_there(plane: HostDataPlane) -> None:
    wanted = Route(ip_network("172.7.23.0/24"), ip_address("10.4.7.23"), "eth0")
    command("ip", "route", "add", "blackhole", "172.7.23.0/25")
    put(plane, wanted)
    put(plane, wanted)
    moved = replace(wanted, gateway=ip_address("10.4.7.24"))
    assert list(plane.carry_out([Operation(put=True, entry=moved, replaces=wanted)])) == []
    assert "172.7.23.0/24 via 10.4.7.24" in command("ip", "route", "show", "proto", "110")


def test_what_does_not_fit_into_the_listener_s_room_is_told_as_lost(plane: HostDataPlane) -> None:
    with closing(HostDataPlaneWatch(OwnWrites(), port=0, room=1)) as watch:
        lines = "".join(f"route add 172.7.{one}.0/24 via 10.4.7.23\n" for one in range(200))
        command("ip", "-batch", "-", data=lines)
        heard: list[Disturbance] = []
        listening = iter(watch)
        while Disturbance("lost") not in heard:
            heard += next(listening)
        command("ip", "route", "delete", "172.7.199.0/24")
        wanted = Disturbance("route", ip_network("172.7.199.0/24"), "eth0")
        while wanted not in heard[heard.index(Disturbance("lost")) :]:
            heard += next(listening)


def test_containers_that_come_and_go_wake_nobody(plane: HostDataPlane) -> None:
    command("ip", "link", "add", "docker0", "address", "02:42:00:00:00:01", "type", "bridge")
    command("ip", "-batch", "-", data="address add 172.7.21.1/24 dev docker0\nlink set docker0 up\n")
    command(
        "ip", "-batch", "-", data="link add veth0 type veth peer name in0\nlink set veth0 master docker0 up\nlink set in0 up\n"
    )
    while " UP " not in command("ip", "-br", "link", "show", "docker0"):
        time.sleep(0.01)
    with closing(plane.watch()) as watch:
        for number in (1, 2, 3):
            lines = f"link add veth{number} type veth peer name in{number}\nlink set veth{number} master docker0 up\n"
            lines += f"link set in{number} up\nlink set in{number} mtu 1400\nlink delete veth{number}\n"
            command("ip", "-batch", "-", data=lines)
        command("ip", "route", "add", "172.7.99.0/24", "via", "10.4.7.99")
        assert next(iter(watch)) == (Disturbance("route", ip_network("172.7.99.0/24"), "eth0"),)


def test_without_rights_it_looks_but_says_that_it_cannot_change(plane: HostDataPlane) -> None:
    code = """
from ipaddress import ip_address, ip_network
from natfix.errors import HostError
from natfix.host.dataplane.plane import HostDataPlane
from natfix.routing.state import Operation, Route
plane = HostDataPlane()
assert plane.links().named("eth0")
try:
    plane.carry_out([Operation(True, Route(ip_network("172.7.22.0/24"), ip_address("10.4.7.22"), "eth0"))])
except HostError as error:
    print(error.hint)
"""
    words = ["setpriv", "--bounding-set", "-net_admin", sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout == "Run natfix as root, or look only.\n"
    assert command("ip", "route", "show", "proto", "110") == ""


@dataclass(frozen=True)
class Host:
    """A host of a cluster in a namespace of its own; its container's address lies on its loopback."""

    name: str
    number: int
    segment: int
    plane: HostDataPlane
    backend: VxlanBackend

    @property
    def lease(self) -> Lease:
        return Lease(subnet(self.number), self.backend.attributes)


def subnet(number: int) -> Subnet:
    return Subnet.of([ip_network(f"172.7.{number}.0/24"), ip_network(f"fd00:7:0:{number}::/64")])


CONFIG = NetworkConfig.parse(
    '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/48",'
    ' "Backend": {"Type": "vxlan", "Directrouting": true}}'
)
# Two hosts on one segment, one on another, with a router between.
PLACES = ((21, 7), (22, 7), (31, 8))


@pytest.fixture
def hosts() -> Iterator[tuple[Host, ...]]:
    with ExitStack() as stack:
        router = stack.enter_context(namespace("router"))
        made = []
        with enter(router):
            for segment in (7, 8):
                lines = f"link add s{segment} type bridge\naddress add 10.4.{segment}.254/24 dev s{segment}\n"
                lines += f"address add fd00:{segment}::fe/64 dev s{segment} nodad\nlink set s{segment} up\n"
                command("ip", "-batch", "-", data=lines)
            command("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        for number, segment in PLACES:
            made.append(_host(stack, router, number, segment))
        yield tuple(made)


def _host(stack: ExitStack, router: str, number: int, segment: int) -> Host:
    name = stack.enter_context(namespace("host"))
    lines = f"link add p{number} master s{segment} type veth peer name eth0 netns {name}\nlink set p{number} up\n"
    command("ip", "-n", router, "-batch", "-", data=lines)
    with enter(name):
        lines = f"address add 10.4.{segment}.{number}/24 dev eth0\naddress add fd00:{segment}::{number}/64 dev eth0 nodad\n"
        lines += f"address add 172.7.{number}.1/32 dev lo\naddress add fd00:7:0:{number}::1/128 dev lo nodad\n"
        lines += f"link set eth0 up\nroute add default via 10.4.{segment}.254\nroute add default via fd00:{segment}::fe\n"
        command("ip", "-batch", "-", data=lines)
        plane = stack.enter_context(closing(HostDataPlane()))
        link = plane.links().named("eth0")
        assert link is not None
        seed = str(number).encode()
        public, public6 = IPv4Address(f"10.4.{segment}.{number}"), IPv6Address(f"fd00:{segment}::{number}")
        here = Here(subnet(number), link, public, public6, vtep_mac(seed), vtep_mac(seed, 6))
        backend = backend_of(CONFIG, here)
        assert isinstance(backend, VxlanBackend)
        return Host(name, number, segment, plane, backend)


def settle(host: Host, leases: list[Lease]) -> None:
    """Bring a host's kernel to what the leases want, as it sees its links now."""
    with enter(host.name):
        links = host.plane.links(host.backend.networks)
        desired = host.backend.own()
        for lease in leases:
            peering = host.backend.peer(lease, links)
            assert peering.finding is None
            desired |= peering.state
        operations = diff(host.plane.read(host.backend.networks, host.backend.devices), desired, host.backend.domain)
        assert list(host.plane.carry_out(operations)) == []
        assert diff(host.plane.read(host.backend.networks, host.backend.devices), desired, host.backend.domain) == ()


def ping_all(hosts: tuple[Host, ...]) -> None:
    for host in hosts:
        for other in hosts:
            for source, target in (("172.7.{}.1", "172.7.{}.1"), ("fd00:7:0:{}::1", "fd00:7:0:{}::1")):
                words = ("-c", "1", "-W", "20", "-I", source.format(host.number), target.format(other.number))
                command("ip", "netns", "exec", host.name, "ping", *words)


def test_packets_reach_peers_on_the_link_directly_and_others_through_the_tunnel_in_both_families(
    hosts: tuple[Host, ...],
) -> None:
    leases = [host.lease for host in hosts]
    for host in hosts:
        settle(host, leases)
    ping_all(hosts)
    routes = command("ip", "-n", hosts[0].name, "route", "show", "proto", "110")
    assert "172.7.22.0/24 via 10.4.7.22 dev eth0" in routes
    assert "172.7.31.0/24 via 172.7.31.0 dev flannel.1 onlink" in routes


def test_a_peer_that_is_no_longer_on_the_link_is_reached_through_the_tunnel(hosts: tuple[Host, ...]) -> None:
    leases = [host.lease for host in hosts]
    for host in hosts:
        settle(host, leases)
    first, second, _ = hosts
    for host, other in ((first, second), (second, first)):
        lines = f"route add 10.4.7.{other.number}/32 via 10.4.7.254\nroute add fd00:7::{other.number}/128 via fd00:7::fe\n"
        command("ip", "-n", host.name, "-batch", "-", data=lines)
        settle(host, leases)
    assert "172.7.22.0/24 via 172.7.22.0 dev flannel.1 onlink" in command(
        "ip", "-n", first.name, "route", "show", "proto", "110"
    )
    ping_all(hosts)
