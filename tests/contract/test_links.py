from ipaddress import ip_interface, ip_network

import pytest

from natfix.app.ports import Interface, Links, Route
from natfix.host.links import HostLinks
from natfix.host.memory.network import MemoryLinks
from tests.netns import command

# A host of a cluster, and whatever else a network can hold.
BATCH = """
link add eth0 type veth peer name wire
link add docker0 type bridge
link add veth1 type veth peer name pod
link add flannel.1 type vxlan id 1 dstport 8472 local 10.4.7.21 dev eth0 nolearning
link set eth0 addrgenmode none
link set wire addrgenmode none
link set docker0 addrgenmode none
link set veth1 addrgenmode none
link set pod addrgenmode none
link set flannel.1 addrgenmode none
link set veth1 master docker0
address add 10.4.7.21/24 dev eth0
address add 10.4.8.21/32 dev eth0
address add fd00:4::21/64 dev eth0 nodad
address add 172.7.21.1/24 dev docker0
address add fd00:7:21::1/64 dev docker0 nodad
address add 10.99.0.1 peer 10.99.0.2/32 dev pod
link set wire up
link set eth0 up
link set pod up
link set veth1 up
link set docker0 up
route add default via 10.4.7.1
route add 172.7.22.0/24 via 10.4.7.22
route add 172.7.23.0/24 nexthop via 10.4.7.23 nexthop via 10.4.7.24
route add 172.7.24.0/24 via inet6 fd00:4::24 dev eth0
route add 172.7.25.0/24 dev docker0 scope link
route add blackhole 172.7.0.0/16
route add 172.8.0.0/16 via 10.4.7.22 table 100
route add 172.7.22.0/24 via 10.4.7.22 metric 7
route add fd00:7:22::/64 via fd00:4::22
route add fd00:7:23::/64 nexthop via fd00:4::23 nexthop via fd00:4::24
route add unreachable fd00:7::/48
nexthop add id 1 via 10.4.7.26 dev eth0
route add 172.7.26.0/24 nhid 1
"""

INTERFACES = (
    Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"), ip_interface("fd00:7:21::1/64"))),
    Interface(
        "eth0",
        "veth",
        (ip_interface("10.4.7.21/24"), ip_interface("10.4.8.21/32"), ip_interface("fd00:4::21/64")),
    ),
    Interface("flannel.1", "vxlan"),
    Interface("lo", "", (ip_interface("127.0.0.1/8"), ip_interface("::1/128"))),
    Interface("pod", "veth", (ip_interface("10.99.0.1/32"),)),
    Interface("veth1", "veth", bridge="docker0"),
    Interface("wire", "veth"),
)

ROUTES = tuple(
    Route(ip_network(destination), gateway, interface)
    for destination, gateway, interface in (
        ("0.0.0.0/0", "10.4.7.1", "eth0"),
        ("10.4.7.0/24", "", "eth0"),
        ("10.99.0.2/32", "", "pod"),
        ("172.7.21.0/24", "", "docker0"),
        ("172.7.22.0/24", "10.4.7.22", "eth0"),
        ("172.7.23.0/24", "10.4.7.23", "eth0"),
        ("172.7.23.0/24", "10.4.7.24", "eth0"),
        ("172.7.24.0/24", "fd00:4::24", "eth0"),
        ("172.7.25.0/24", "", "docker0"),
        ("172.7.26.0/24", "10.4.7.26", "eth0"),
        ("fd00:4::/64", "", "eth0"),
        ("fd00:7:21::/64", "", "docker0"),
        ("fd00:7:22::/64", "fd00:4::22", "eth0"),
        ("fd00:7:23::/64", "fd00:4::23", "eth0"),
        ("fd00:7:23::/64", "fd00:4::24", "eth0"),
    )
)


@pytest.fixture(params=["memory", pytest.param("host", marks=pytest.mark.kernel)])
def links(request: pytest.FixtureRequest) -> Links:
    if request.param == "memory":
        return MemoryLinks(INTERFACES[::-1], ROUTES[::-1])
    request.getfixturevalue("netns")
    command("ip", "-batch", "-", data=BATCH)
    return HostLinks()


def test_interfaces_come_sorted_with_kind_addresses_and_bridge(links: Links) -> None:
    assert tuple(links.interfaces()) == INTERFACES


def test_unicast_routes_of_the_main_tables_come_sorted_by_destination(links: Links) -> None:
    assert tuple(links.routes()) == ROUTES


@pytest.mark.kernel
def test_the_address_of_an_ipv6_tunnel_is_that_of_its_own_end(netns: str) -> None:
    # Not above, for the kernel adds the route to the other end when it finds the time.
    command("ip", "address", "add", "fd00:99::1", "peer", "fd00:99::2/128", "dev", "lo", "nodad")
    assert ip_interface("fd00:99::1/128") in HostLinks().interfaces()[0].addresses


@pytest.mark.kernel
def test_a_host_with_many_links_and_routes_is_read_whole(netns: str) -> None:
    pairs = "".join(f"link add a{number} type veth peer name b{number}\n" for number in range(150))
    blocks = [f"10.{high}.{low}.0/24" for high in range(16) for low in range(256)]
    routes = "".join(f"route add {block} via 192.0.2.2\n" for block in blocks)
    command("ip", "-batch", "-", data=f"{pairs}address add 192.0.2.1/24 dev a0\nlink set a0 up\nlink set b0 up\n{routes}")
    assert len(HostLinks().interfaces()) == 301
    assert [str(route.destination) for route in HostLinks().routes() if route.gateway] == blocks


@pytest.mark.kernel
def test_a_namespace_without_anything_has_its_loopback_and_no_route(netns: str) -> None:
    command("ip", "address", "flush", "dev", "lo")
    assert HostLinks().interfaces() == (Interface("lo"),)
    assert HostLinks().routes() == ()
