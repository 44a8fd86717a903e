from ipaddress import ip_address, ip_network

import pytest

from natfix.routing.links import Link, Links, Way


def way(destination: str, gateway: str = "", link: str = "eth0", metric: int = 0) -> Way:
    return Way(ip_network(destination), ip_address(gateway) if gateway else None, link, metric)


WAYS = (
    way("0.0.0.0/0", "10.4.7.254"),
    way("10.4.7.0/24"),
    way("10.4.7.128/25", link="eth1"),
    way("fd00:4::/64", metric=256),
    way("::/0", "fe80::1"),
)


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("10.4.7.22", WAYS[1]),
        ("10.4.7.200", WAYS[2]),
        ("192.0.2.1", WAYS[0]),
        ("fd00:4::22", WAYS[3]),
        ("2001:db8::1", WAYS[4]),
    ],
)
def test_the_longest_prefix_of_the_right_family_is_the_way(address: str, wanted: Way) -> None:
    assert Links(ways=WAYS).way_to(ip_address(address)) == wanted


@pytest.mark.parametrize("address", ["192.0.2.1", "fd00::1"])
def test_without_a_way_there_is_none(address: str) -> None:
    assert Links(ways=(way("10.4.7.0/24"),)).way_to(ip_address(address)) is None


def test_of_several_ways_the_lowest_metric_counts_and_of_these_the_first() -> None:
    slow, fast, as_fast = (
        way("10.4.7.0/24", link="wlan0", metric=600),
        way("10.4.7.0/24", link="eth0", metric=100),
        way("10.4.7.0/24", link="eth1", metric=100),
    )
    assert Links(ways=(slow, fast, as_fast)).way_to(ip_address("10.4.7.1")) == fast


def test_a_device_is_found_by_its_name() -> None:
    eth0 = Link("eth0", 1500)
    links = Links((Link("lo", 65536), eth0))
    assert links.named("eth0") == eth0
    assert links.named("eth1") is None


def test_links_that_say_the_same_are_equal() -> None:
    assert Links(ways=WAYS) == Links(ways=WAYS)
    assert Links(ways=WAYS) != Links(ways=WAYS[1:])
    assert len({Links(ways=WAYS), Links(ways=WAYS)}) == 1
