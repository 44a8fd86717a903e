"""The guess from routes: what counts as a peer, and how far it reaches."""

from ipaddress import ip_interface, ip_network

import pytest

from natfix.app.ports import Interface, Route
from natfix.app.sources.peers import describe_peers, guess_clusters


def bridge(*addresses: str, name: str = "docker0") -> Interface:
    return Interface(name, "bridge", tuple(ip_interface(address) for address in addresses))


def route(destination: str, gateway: str = "10.4.7.22", interface: str = "eth0") -> Route:
    return Route(ip_network(destination), gateway, interface)


def guessed(interface: Interface, *routes: Route) -> list[str]:
    return [str(guess.network) for guess in guess_clusters([interface], routes)]


DOCKER = bridge("172.7.21.1/24")


@pytest.mark.parametrize(
    ("peers", "network"),
    [
        (["172.7.22.0/24"], "172.7.20.0/22"),
        (["172.7.22.0/24", "172.7.23.0/24"], "172.7.20.0/22"),
        (["172.7.22.0/24", "172.7.200.0/24"], "172.7.0.0/16"),
        (["172.7.20.0/24"], "172.7.20.0/23"),
    ],
)
def test_the_guess_is_the_smallest_network_that_holds_the_bridge_and_all_peers(peers: list[str], network: str) -> None:
    assert guessed(DOCKER, *(route(peer) for peer in peers)) == [network]


def test_ipv6_is_guessed_alike() -> None:
    docker = bridge("fd00:7:0:21::1/64", "fe80::1/64")
    assert guessed(docker, route("fd00:7:0:22::/64", "fd01::22")) == ["fd00:7:0:20::/62"]


def test_a_vxlan_peer_s_gateway_lies_in_its_own_subnet() -> None:
    assert guessed(DOCKER, route("172.7.22.0/24", "172.7.22.0", "flannel.1")) == ["172.7.20.0/22"]


@pytest.mark.parametrize(
    "other",
    [
        route("172.7.22.0/24", ""),
        route("172.7.22.0/25"),
        route("172.7.21.0/24"),
        route("172.9.22.0/24"),
        route("0.0.0.0/0"),
        route("fd00::/64"),
    ],
    ids=["on the link", "of another size", "the same subnet", "far away", "the default route", "of another family"],
)
def test_is_no_peer(other: Route) -> None:
    assert guessed(DOCKER, other) == []


def test_private_subnets_with_public_addresses_between_them_are_no_cluster() -> None:
    assert guessed(bridge("172.17.0.1/16"), route("172.200.0.0/16")) == []


def test_a_bridge_that_leads_to_gateways_is_the_host_s_own_network() -> None:
    lan = bridge("192.168.1.5/24", name="br0")
    assert guessed(lan, route("192.168.2.0/24", "192.168.1.1", "br0")) == []


def test_a_device_that_is_no_bridge_has_no_containers() -> None:
    assert guessed(Interface("eth0", "", (ip_interface("10.4.7.21/24"),)), route("10.4.8.0/24")) == []


def test_the_guess_names_the_routes_it_was_made_from() -> None:
    guesses = guess_clusters([DOCKER], [route("172.7.23.0/24"), route("172.7.22.0/24")])
    assert describe_peers(guesses) == "routes to peer subnets 172.7.22.0/24, 172.7.23.0/24 via eth0"


def test_of_many_routes_the_first_are_named() -> None:
    guesses = guess_clusters([DOCKER], [route(f"172.7.{number}.0/24") for number in range(30, 40)])
    assert describe_peers(guesses) == ("routes to peer subnets 172.7.30.0/24, 172.7.31.0/24, 172.7.32.0/24 and 7 more via eth0")
