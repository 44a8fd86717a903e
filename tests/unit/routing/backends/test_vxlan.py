from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from natfix.routing.backend_config import Vxlan
from natfix.routing.backends import Here, VxlanBackend, vtep_mac
from natfix.routing.lease import Attributes, Lease
from natfix.routing.links import Link, Links
from natfix.routing.network import NetworkConfig
from natfix.routing.state import FdbEntry, LinkAddress, Neighbour, NetState, Route, VxlanDevice
from tests.unit.routing.peers import HERE, HERE_DUAL, LINKS, MAC, MAC6, config, four, lease, six, subnet

PEER, PEER6 = "02:00:00:00:04:22", "02:00:00:00:06:22"
DATA, DATA6 = {"VNI": 1, "VtepMAC": PEER}, {"VNI": 1, "VtepMAC": PEER6}


def backend(written: str = '{"Type": "vxlan"}', here: Here = HERE, *, ipv6: bool = False) -> VxlanBackend:
    network: NetworkConfig = config(written, ipv6=ipv6)
    assert isinstance(network.backend, Vxlan)
    return VxlanBackend(network, network.backend, here)


DIRECT = '{"Type": "vxlan", "Directrouting": true}'
THROUGH = NetState(
    routes=frozenset((Route(ip_network("172.7.22.0/24"), four("172.7.22.0"), "flannel.1", onlink=True),)),
    neighbours=frozenset((Neighbour("flannel.1", four("172.7.22.0"), PEER),)),
    fdb=frozenset((FdbEntry("flannel.1", PEER, four("10.4.7.22")),)),
)


def test_a_peer_is_a_route_a_neighbour_and_a_forwarding_entry() -> None:
    found = backend().peer(lease(22, "vxlan", "10.4.7.22", data=DATA), LINKS)
    assert (found.state, found.finding) == (THROUGH, None)


def test_a_peer_of_two_families_has_them_on_both_devices() -> None:
    through6 = NetState(
        routes=frozenset((Route(ip_network("fd00:7:0:22::/64"), six("fd00:7:0:22::"), "flannel-v6.1", onlink=True),)),
        neighbours=frozenset((Neighbour("flannel-v6.1", six("fd00:7:0:22::"), PEER6),)),
        fdb=frozenset((FdbEntry("flannel-v6.1", PEER6, six("fd00:4::22")),)),
    )
    peer = lease(22, "vxlan", "10.4.7.22", "fd00:4::22", data=DATA, data6=DATA6)
    found = backend(here=HERE_DUAL, ipv6=True).peer(peer, LINKS)
    assert (found.state, found.finding) == (THROUGH | through6, None)


def test_the_own_device_has_the_first_address_of_the_subnet_and_room_for_the_tunnel_s_header() -> None:
    assert backend().own() == NetState(
        frozenset((VxlanDevice("flannel.1", 1, "eth0", four("10.4.7.21"), 8472, 1450, MAC),)),
        frozenset((LinkAddress("flannel.1", ip_interface("172.7.21.0/32")),)),
    )


def test_ipv6_has_a_device_of_its_own_that_takes_70_bytes() -> None:
    dual = backend(here=HERE_DUAL, ipv6=True)
    assert dual.devices == ("flannel.1", "flannel-v6.1")
    assert VxlanDevice("flannel-v6.1", 1, "eth0", six("fd00:4::21"), 8472, 1430, MAC6) in dual.own().devices
    assert LinkAddress("flannel-v6.1", ip_interface("fd00:7:0:21::/128")) in dual.own().addresses
    assert dual.mtu == 1430


def test_what_the_configuration_says_of_the_tunnel_holds_for_the_device() -> None:
    written = '{"Type": "vxlan", "VNI": 7, "Port": 4789, "MTU": 9000, "GBP": true, "Learning": true}'
    (device,) = backend(written).own().devices
    assert device == VxlanDevice("flannel.7", 7, "eth0", four("10.4.7.21"), 4789, 8950, MAC, learning=True, gbp=True)
    assert backend(written).mtu == 8950


@pytest.mark.parametrize("lacking", [replace(HERE_DUAL, public_ipv6=None), replace(HERE_DUAL, subnet=subnet(21))])
def test_a_family_that_this_host_lacks_has_no_device(lacking: Here) -> None:
    assert {device.name for device in backend(here=lacking, ipv6=True).own().devices} == {"flannel.1"}


def test_a_host_tells_its_addresses_and_the_ends_of_its_tunnels() -> None:
    assert backend().attributes == Attributes(four("10.4.7.21"), None, "vxlan", {"VNI": 1, "VtepMAC": MAC})
    assert backend(here=HERE_DUAL, ipv6=True).attributes == Attributes(
        four("10.4.7.21"), six("fd00:4::21"), "vxlan", {"VNI": 1, "VtepMAC": MAC}, {"VNI": 1, "VtepMAC": MAC6}
    )


def test_what_a_host_tells_is_what_its_peer_reads() -> None:
    there = replace(HERE, subnet=subnet(22), public_ip=four("10.4.7.22"), mac=PEER)
    told = Lease(subnet(22), backend(here=there).attributes)
    assert backend().peer(told, LINKS).state == THROUGH


def test_flannel_0_11_tells_no_vni_and_others_write_macs_otherwise() -> None:
    peer = lease(22, "vxlan", "10.4.7.22", data={"VtepMAC": PEER.upper().replace(":", "-")})
    assert backend().peer(peer, LINKS).state == THROUGH


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"VNI": 2, "VtepMAC": PEER}, "uses VNI 2 where this network is configured for 1"),
        (None, "has no MAC of its tunnel's end"),
        ({"VNI": 1, "VtepMAC": "here"}, "has no MAC of its tunnel's end"),
        ({"VNI": 1, "VtepMAC": "01:00:5e:00:00:16"}, "has no MAC of its tunnel's end"),
        ({"VNI": 1, "VtepMAC": "00:00:00:00:00:00"}, "has no MAC of its tunnel's end"),
        ({"VNI": 1, "VtepMAC": MAC}, "has the same tunnel MAC 02:00:00:00:04:21 as this one"),
    ],
)
def test_a_peer_without_an_end_of_this_tunnel_is_a_finding(data: dict[str, object] | None, why: str) -> None:
    found = backend().peer(lease(22, "vxlan", "10.4.7.22", data=data), LINKS)
    assert found.state == NetState()
    assert found.finding is not None
    assert why in found.finding.problem


def test_with_direct_routing_a_peer_on_the_link_needs_no_tunnel_and_no_end_of_one() -> None:
    found = backend(DIRECT).peer(lease(22, "vxlan", "10.4.7.22"), LINKS)
    assert found.state == NetState(routes=frozenset((Route(ip_network("172.7.22.0/24"), four("10.4.7.22"), "eth0"),)))
    assert found.finding is None


@pytest.mark.parametrize("address", ["10.5.7.22", "10.9.9.22"])
def test_with_direct_routing_a_peer_off_the_link_goes_through_the_tunnel(address: str) -> None:
    state = backend(DIRECT).peer(lease(22, "vxlan", address, data=DATA), LINKS).state
    assert state.fdb == {FdbEntry("flannel.1", PEER, four(address))}
    assert {route.link for route in state.routes} == {"flannel.1"}


def test_direct_routing_is_decided_by_the_links_of_the_moment() -> None:
    peer = lease(22, "vxlan", "10.4.7.22", data=DATA)
    one = backend(DIRECT)
    assert one.peer(peer, LINKS).state.fdb == frozenset()
    assert one.peer(peer, Links()).state == THROUGH


@pytest.mark.parametrize(
    "link", [Link("eth0", 1420, point_to_point=True), Link("eth0", 1420, kind="wireguard"), Link("eth0", 1480, kind="ipip")]
)
def test_nobody_is_direct_over_a_link_without_neighbours(link: Link) -> None:
    found = backend(DIRECT, replace(HERE, link=link)).peer(lease(22, "vxlan", "10.4.7.22", data=DATA), LINKS)
    assert found.state == THROUGH


def test_a_tunnel_s_end_is_the_same_for_the_same_seed_and_differs_by_seed_and_family() -> None:
    macs = {vtep_mac(seed, version) for seed in (b"one", b"two") for version in (4, 6)}
    assert len(macs) == 4
    assert vtep_mac(b"one") == vtep_mac(b"one", 4)
    # Locally administered, of one host (IEEE 802).
    assert {int(mac[:2], 16) & 3 for mac in macs} == {2}


def test_the_domain_of_a_tunnel_is_its_device_and_the_one_below() -> None:
    assert backend().domain.links == {"eth0", "flannel.1"}
    assert backend().networks == (ip_network("172.7.0.0/16"),)
    assert backend().carrier == "eth0"
    assert ip_address("10.4.7.21") in {device.local for device in backend().own().devices}
