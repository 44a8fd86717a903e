"""natfix/packets/given.py: what source NAT gives a packet, and what it makes of many."""

from ipaddress import ip_address

import pytest

from natfix.packets import Intervals
from natfix.packets.given import Given, given, mapped
from natfix.ruleset import Family, Rule, parse_network


@pytest.mark.parametrize(
    ("target", "source", "found"),
    [
        ("SNAT --to-source 10.9.9.1", "172.7.21.2", "10.9.9.1"),
        ("SNAT --to-source 10.9.9.1-10.9.9.4:4000-5000", "172.7.21.2", "10.9.9.1-10.9.9.4"),
        ("SNAT --to-source 10.9.9.0/30", "172.7.21.2", "10.9.9.0-10.9.9.3"),
        ("SNAT --to-source [fd00::1]:80", "fd07::2", "fd00::1"),
        ("SAME --to 10.9.9.1-10.9.9.4", "172.7.21.2", "10.9.9.1-10.9.9.4"),
        ("NETMAP --to 10.9.0.0/24", "172.7.21.2", "10.9.0.2"),
        ("NETMAP --to 10.9.0.0/255.255.0.0", "172.7.21.2", "10.9.21.2"),
        ("NETMAP --to 10.9.0.7", "172.7.21.2", "10.9.0.7"),
        ("NETMAP --to 0.0.0.0/0", "172.7.21.2", "172.7.21.2"),
        ("NETMAP --to fd09::/64", "fd07:0:0:21::2", "fd09::2"),
        ("SNAT --to-source :4000-5000", "172.7.21.2", "None"),
        ("NETMAP --to 10.9.0.0/24", "fd07::2", "None"),
        ("NETMAP --to x", "172.7.21.2", "None"),
        ("SNAT", "172.7.21.2", "None"),
        ("MASQUERADE --random", "172.7.21.2", "None"),
    ],
)
def test_a_rule_gives_a_packet(target: str, source: str, found: str) -> None:
    assert str(given(Rule("POSTROUTING", f"-j {target}"), ip_address(source))) == found


@pytest.mark.parametrize(("one", "has"), [("10.9.9.1", True), ("10.9.9.4", True), ("10.9.9.5", False), ("fd00::1", False)])
def test_an_address_is_one_of_those_or_not(one: str, has: bool) -> None:  # noqa: FBT001  (a parameter of a table)
    assert Given(ip_address("10.9.9.1"), ip_address("10.9.9.4")).has(ip_address(one)) is has


@pytest.mark.parametrize(
    ("sources", "made"),
    [
        (["172.7.21.0/24"], ["10.9.0.0/24"]),
        (["172.7.0.0/16"], ["10.9.0.0/24"]),
        (["172.7.21.0/25"], ["10.9.0.0/25"]),
        (["172.7.21.192/26", "172.7.22.0/26"], ["10.9.0.192/26", "10.9.0.0/26"]),
        (["172.7.21.2", "172.7.22.2"], ["10.9.0.2"]),
    ],
)
def test_many_sources_are_mapped_one_by_one(sources: list[str], made: list[str]) -> None:
    rule = Rule("POSTROUTING", "-j NETMAP --to 10.9.0.0/24")
    found = mapped(rule, Intervals.networks(map(parse_network, sources)), Family.IPV4)
    assert found == Intervals.networks(map(parse_network, made))


def test_other_targets_map_nothing() -> None:
    assert mapped(Rule("POSTROUTING", "-j MASQUERADE"), Intervals.single(1), Family.IPV4) is None
