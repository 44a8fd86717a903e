from dataclasses import replace
from ipaddress import ip_network

import pytest

from natfix.routing.backends import Finding, HostGwBackend, Peering
from natfix.routing.lease import Attributes
from natfix.routing.links import Links
from natfix.routing.state import NetState, Route
from tests.unit.routing.peers import HERE, HERE_DUAL, LINKS, config, four, lease, six, subnet

HOST_GW = '{"Type": "host-gw"}'
PLAIN = HostGwBackend(config(HOST_GW), HERE)
DUAL = HostGwBackend(config(HOST_GW, ipv6=True), HERE_DUAL)
TO_22 = Route(ip_network("172.7.22.0/24"), four("10.4.7.22"), "eth0")


def finding(peering: Peering) -> Finding:
    assert peering.finding is not None
    return peering.finding


def test_a_peer_on_the_link_is_one_route() -> None:
    assert PLAIN.peer(lease(22, "host-gw", "10.4.7.22"), LINKS) == Peering(NetState(routes=frozenset((TO_22,))))


def test_a_peer_of_two_families_is_a_route_of_each() -> None:
    to_22_6 = Route(ip_network("fd00:7:0:22::/64"), six("fd00:4::22"), "eth0")
    wanted = Peering(NetState(routes=frozenset((TO_22, to_22_6))))
    assert DUAL.peer(lease(22, "host-gw", "10.4.7.22", "fd00:4::22"), LINKS) == wanted


def test_a_cluster_of_ipv6_alone_needs_no_ipv4() -> None:
    backend = HostGwBackend(
        config(HOST_GW, ipv6=True, ipv4=False), replace(HERE_DUAL, subnet=subnet(21, ipv6=True, ipv4=False))
    )
    state = backend.peer(lease(22, "host-gw", address6="fd00:4::22"), LINKS).state
    assert state == NetState(routes=frozenset((Route(ip_network("fd00:7:0:22::/64"), six("fd00:4::22"), "eth0"),)))


@pytest.mark.parametrize(
    ("address", "links", "why"),
    [
        ("10.5.7.22", LINKS, "the way there is through the gateway 10.4.7.254 on eth0"),
        ("10.9.9.22", LINKS, "it is on that of eth1, and eth0 was chosen"),
        ("10.4.7.22", Links(), "no route leads there"),
    ],
)
def test_a_peer_off_the_link_is_a_finding_and_no_route(address: str, links: Links, why: str) -> None:
    found = PLAIN.peer(lease(22, "host-gw", address), links)
    assert found.state == NetState()
    assert finding(found).problem == f"the host with 172.7.22.0/24 at {address} is not on the link: {why}"
    assert "vxlan" in finding(found).hint
    assert str(finding(found)) == f"{finding(found).problem}\n  {finding(found).hint}"


def test_one_family_off_the_link_keeps_the_other_s_route() -> None:
    found = DUAL.peer(lease(22, "host-gw", "10.4.7.22", "fd00:5::22"), LINKS)
    assert found.state.routes == {TO_22}
    assert "fd00:5::22 is not on the link" in finding(found).problem


def test_both_families_off_the_link_are_one_finding_with_its_hint_once() -> None:
    found = finding(DUAL.peer(lease(22, "host-gw", "10.5.7.22", "fd00:5::22"), LINKS))
    assert found.problem.count("is not on the link") == 2
    assert found.hint.count("host-gw needs all hosts on one link") == 1


def test_a_host_tells_its_addresses_and_its_backend() -> None:
    assert DUAL.attributes == Attributes(four("10.4.7.21"), six("fd00:4::21"), "host-gw")


def test_a_host_has_no_device_of_its_own_and_containers_the_mtu_of_its_link() -> None:
    assert (PLAIN.own(), PLAIN.devices, PLAIN.carrier, PLAIN.mtu) == (NetState(), (), "eth0", 1500)
    assert [str(network) for network in DUAL.networks] == ["172.7.0.0/16", "fd00:7::/48"]
    assert PLAIN.domain.links == {"eth0"}
    assert PLAIN.domain.pools == {(ip_network("172.7.0.0/16"), 24)}
