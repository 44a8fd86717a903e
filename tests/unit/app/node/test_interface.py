"""Which device and address peers reach this host by."""

from ipaddress import IPv4Address, IPv6Address, ip_interface, ip_network

import pytest

from natfix.app.node.interface import InterfaceWish, choose_outside
from natfix.errors import HostError, UsageError
from natfix.routing.links import Link, Links, Way


def link(name: str, *addresses: str, mtu: int = 1500) -> Link:
    return Link(name, mtu, tuple(map(ip_interface, addresses)))


LINKS = Links(
    (
        link("lo", "127.0.0.1/8", "::1/128", mtu=65536),
        link("eth0", "169.254.7.7/16", "10.4.7.21/24", "fe80::21/64", "fd10::21/64"),
        link("eth1", "10.5.0.21/16", mtu=9000),
        link("wg0"),
    ),
    (
        Way(ip_network("0.0.0.0/0"), IPv4Address("10.5.0.1"), "eth1", 200),
        Way(ip_network("0.0.0.0/0"), IPv4Address("10.4.7.1"), "eth0", 100),
        Way(ip_network("10.9.0.0/16"), IPv4Address("10.5.0.1"), "eth1"),
        Way(ip_network("10.9.7.0/24"), IPv4Address("10.4.7.1"), "eth0"),
        Way(ip_network("::/0"), IPv6Address("fd10::1"), "eth0"),
    ),
)


def name(wish: InterfaceWish, links: Links = LINKS, *, ipv4: bool = True, ipv6: bool = False) -> str:
    return choose_outside(links, wish, ipv4=ipv4, ipv6=ipv6).link


def test_the_default_route_with_the_lowest_metric_decides_when_nothing_is_said() -> None:
    found = choose_outside(LINKS, InterfaceWish(), ipv4=True, ipv6=False)
    assert (found.link, found.mtu, found.ipv4, found.public_ip) == ("eth0", 1500, *[IPv4Address("10.4.7.21")] * 2)
    assert found.ipv6 is found.public_ipv6 is None


def test_a_cluster_of_ipv6_alone_asks_the_default_route_of_ipv6() -> None:
    found = choose_outside(LINKS, InterfaceWish(), ipv4=False, ipv6=True)
    assert (found.link, found.ipv4, found.public_ip) == ("eth0", None, None)
    assert found.ipv6 == found.public_ipv6 == IPv6Address("fd10::21")


def test_an_address_that_others_can_reach_goes_before_a_link_local_one() -> None:
    assert choose_outside(LINKS, InterfaceWish(names=("eth0",)), ipv4=True, ipv6=False).ipv4 == IPv4Address("10.4.7.21")
    alone = Links((link("eth0", "169.254.7.7/16"),))
    assert choose_outside(alone, InterfaceWish(names=("eth0",)), ipv4=True, ipv6=False).ipv4 == IPv4Address("169.254.7.7")


def test_a_device_is_named_by_its_name_or_its_address_and_the_first_there_is_wins() -> None:
    assert name(InterfaceWish(names=("eth9", "10.5.0.21", "eth0"))) == "eth1"
    assert name(InterfaceWish(names=("eth9",), patterns=("^eth1$",))) == "eth1"


def test_a_pattern_is_tried_on_addresses_before_names() -> None:
    assert name(InterfaceWish(patterns=(r"^10\.5\.",))) == "eth1"
    assert name(InterfaceWish(patterns=("nothing", "th0"))) == "eth0"


def test_what_leads_to_an_address_is_found_as_the_kernel_would() -> None:
    for address, expected in (("10.9.7.3", "eth0"), ("10.9.8.3", "eth1"), ("8.8.8.8", "eth0")):
        assert name(InterfaceWish(reach=IPv4Address(address))) == expected
    assert name(InterfaceWish(reach=IPv6Address("fd99::1"))) == "eth0"


def test_a_public_address_names_its_device_and_is_told_to_peers() -> None:
    found = choose_outside(LINKS, InterfaceWish(public_ip=IPv4Address("10.5.0.21")), ipv4=True, ipv6=False)
    assert (found.link, found.public_ip) == ("eth1", IPv4Address("10.5.0.21"))
    six = choose_outside(LINKS, InterfaceWish(public_ipv6=IPv6Address("fd10::21")), ipv4=False, ipv6=True)
    assert (six.link, six.public_ipv6) == ("eth0", IPv6Address("fd10::21"))


def test_behind_a_nat_the_device_is_named_and_peers_are_told_the_other_address() -> None:
    wish = InterfaceWish(names=("eth0",), public_ip=IPv4Address("203.0.113.5"))
    found = choose_outside(LINKS, wish, ipv4=True, ipv6=False)
    assert (found.ipv4, found.public_ip) == (IPv4Address("10.4.7.21"), IPv4Address("203.0.113.5"))


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (InterfaceWish(names=("eth7",), patterns=("^bond",)), "no device eth7 or /^bond/"),
        (InterfaceWish(names=("wg0",)), "wg0 has no IPv4 address"),
        (InterfaceWish(public_ip=IPv4Address("203.0.113.5")), "no device of this host has the address 203.0.113.5"),
    ],
)
def test_what_cannot_be_found_is_said_with_what_there_is(wish: InterfaceWish, words: str) -> None:
    with pytest.raises(HostError) as caught:
        name(wish)
    assert words in caught.value.message


def test_without_a_default_route_the_user_is_asked_to_name_the_device() -> None:
    with pytest.raises(HostError, match="no IPv4 default route") as caught:
        name(InterfaceWish(), Links((link("eth0", "10.4.7.21/24"),)))
    assert caught.value.hint == "Name the device with --iface. There are: eth0."
    with pytest.raises(HostError, match=r"leads to 8\.8\.8\.8") as caught:
        name(InterfaceWish(reach=IPv4Address("8.8.8.8")), Links((link("lo", "127.0.0.1/8"),)))
    assert caught.value.hint == "Name the device with --iface. There is none but lo."


def test_a_broken_pattern_is_the_users_mistake() -> None:
    with pytest.raises(UsageError, match="no regular expression"):
        name(InterfaceWish(patterns=("(",)))
