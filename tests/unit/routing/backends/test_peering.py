"""What holds for every backend; host-gw stands for all."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_network

import pytest

from natfix.routing.backends import HostGwBackend, Peering, VxlanBackend, backend_of
from natfix.routing.lease import Lease
from natfix.routing.state import NetState
from natfix.routing.subnet import Subnet
from tests.unit.routing.peers import HERE, HERE_DUAL, LINKS, config, lease, subnet

HOST_GW = '{"Type": "host-gw"}'
PLAIN = HostGwBackend(config(HOST_GW), HERE)


@pytest.mark.parametrize(("backend", "kind"), [(HOST_GW, HostGwBackend), ('{"Type": "vxlan"}', VxlanBackend)])
def test_the_configuration_chooses_the_backend(backend: str, kind: type) -> None:
    assert isinstance(backend_of(config(backend), HERE), kind)


def test_the_own_lease_and_a_reservation_want_nothing() -> None:
    own = lease(21, "host-gw", "10.4.7.21")
    assert PLAIN.peer(own, LINKS) == Peering()
    assert PLAIN.peer(Lease(subnet(22), reserved=True), LINKS) == Peering()
    assert PLAIN.peer(replace(lease(22, "", "10.4.7.22"), reserved=True), LINKS) == Peering()


def test_a_reservation_that_its_host_has_taken_is_a_peer_like_any_other() -> None:
    taken = lease(22, "host-gw", "10.4.7.22")
    assert PLAIN.peer(replace(taken, reserved=True), LINKS) == PLAIN.peer(taken, LINKS)
    assert PLAIN.peer(taken, LINKS).state.routes


@pytest.mark.parametrize(
    ("stranger", "why"),
    [
        (lease(22, "vxlan", "10.4.7.22"), "uses vxlan where this network is configured for host-gw"),
        (lease(22, "", "10.4.7.22"), "uses no backend that carries packets"),
        (lease(22, "host-gw"), "has no IPv4 public address"),
        (lease(22, "host-gw", "10.4.7.21"), "says that it is at 10.4.7.21, which is this host"),
        (
            replace(lease(22, "host-gw", "10.4.7.22"), subnet=Subnet(IPv4Network("10.0.0.0/8"))),
            "the lease 10.0.0.0/8 is no subnet of 172.7.0.0/16",
        ),
        (
            replace(lease(22, "host-gw", "10.4.7.22"), subnet=Subnet(IPv4Network("172.7.0.0/16"))),
            "the lease 172.7.0.0/16 is no subnet of 172.7.0.0/16",
        ),
        (
            replace(lease(22, "host-gw", "10.4.7.22"), subnet=Subnet(IPv4Network("172.7.20.0/23"))),
            "the lease 172.7.20.0/23 overlaps this host's own 172.7.21.0/24",
        ),
        (
            replace(lease(22, "host-gw", "10.4.7.22"), subnet=Subnet(IPv4Network("172.7.21.128/25"))),
            "the lease 172.7.21.128/25 overlaps this host's own 172.7.21.0/24",
        ),
    ],
)
def test_what_would_lead_packets_astray_is_a_finding_and_nothing_else(stranger: Lease, why: str) -> None:
    found = PLAIN.peer(stranger, LINKS)
    assert found.state == NetState()
    assert found.finding is not None
    assert why in found.finding.problem
    assert found.finding.hint


def test_a_subnet_of_another_size_inside_the_network_is_served() -> None:
    smaller = replace(lease(22, "host-gw", "10.4.7.22"), subnet=Subnet(IPv4Network("172.7.22.0/26")))
    (route,) = PLAIN.peer(smaller, LINKS).state.routes
    assert route.destination == ip_network("172.7.22.0/26")


def test_a_peer_without_one_of_the_families_is_reached_in_the_other() -> None:
    dual = HostGwBackend(config(HOST_GW, ipv6=True), HERE_DUAL)
    found = dual.peer(lease(22, "host-gw", "10.4.7.22"), LINKS)
    assert len(found.state.routes) == 1
    assert found.finding is not None
    assert found.finding.problem == "the lease of the host with 172.7.22.0/24 has no IPv6 subnet"


def test_a_host_without_an_address_of_a_family_says_so() -> None:
    lame = HostGwBackend(config(HOST_GW, ipv6=True), replace(HERE_DUAL, public_ipv6=None))
    found = lame.peer(lease(22, "host-gw", "10.4.7.22", "fd00:4::22"), LINKS)
    assert len(found.state.routes) == 1
    assert found.finding is not None
    assert found.finding.problem == "this host has no public IPv6 address"


def test_a_host_without_a_subnet_of_a_family_still_reaches_its_peers() -> None:
    half = HostGwBackend(config(HOST_GW, ipv6=True), replace(HERE_DUAL, subnet=subnet(21)))
    assert len(half.peer(lease(22, "host-gw", "10.4.7.22", "fd00:4::22"), LINKS).state.routes) == 2
