"""natfix/routing/capacity.py: how many subnets are left, and the warning before there are none."""

from __future__ import annotations

from ipaddress import IPv4Address

from natfix.routing.capacity import Capacity, measure
from natfix.routing.lease import Attributes, Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet

CONFIG = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}')
SMALL = NetworkConfig.parse('{"Network": "172.7.0.0/24", "SubnetLen": 28, "Backend": {"Type": "host-gw"}}')
DUAL = NetworkConfig.parse(
    '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/60", "Backend": {"Type": "host-gw"}}'
)
NOW = 1_000_000.0


def lease(key: str, *, reserved: bool = False, left: float | None = 80_000.0) -> Lease:
    expires = None if left is None or reserved else NOW + left
    return Lease(Subnet.parse_key(key), Attributes(IPv4Address("10.4.7.21")), reserved=reserved, expires=expires)


def numbers(capacity: Capacity) -> tuple[int, int, int, int, int, int]:
    return capacity.capacity, capacity.used, capacity.reserved, capacity.free, capacity.expiring, capacity.outside


def test_an_empty_network_has_all_its_subnets() -> None:
    assert numbers(measure(CONFIG, [], NOW)) == (255, 0, 0, 255, 0, 0)
    assert measure(CONFIG, [], NOW).warning == ""


def test_leases_reservations_and_what_is_outside_are_counted_apart() -> None:
    leases = [lease("172.7.21.0-24"), lease("172.7.22.0-24"), lease("172.7.9.0-24", reserved=True), lease("172.7.0.0-24")]
    assert numbers(measure(CONFIG, leases, NOW)) == (255, 2, 1, 252, 0, 1)


def test_leases_of_another_size_count_by_the_subnets_they_cover_and_each_subnet_counts_once() -> None:
    leases = [
        lease("172.7.20.0-22"),
        lease("172.7.21.0-24"),
        lease("172.7.22.0-25", reserved=True),
        lease("172.7.30.0-25", reserved=True),
    ]
    assert numbers(measure(CONFIG, leases, NOW)) == (255, 4, 1, 250, 0, 0)


def test_leases_that_should_have_been_renewed_are_about_to_be_free() -> None:
    leases = [
        lease("172.7.20.0-24", left=3599.0),
        lease("172.7.21.0-24", left=3601.0),
        lease("172.7.22.0-24", left=None),
        lease("172.7.23.0-24", left=-5.0),
        lease("172.7.24.0-24", reserved=True),
    ]
    assert numbers(measure(CONFIG, leases, NOW)) == (255, 4, 1, 250, 2, 0)
    assert measure(CONFIG, leases, NOW, margin=4000.0).expiring == 3


def test_the_family_that_has_the_fewest_left_counts() -> None:
    assert measure(DUAL, [], NOW).pool == DUAL.ipv6
    leases = [lease(f"172.7.{number}.0-24") for number in range(1, 250)]
    found = measure(DUAL, leases, NOW)
    assert (found.pool, found.free, found.outside) == (DUAL.ipv4, 6, 0)
    assert measure(DUAL, leases[:3], NOW).outside == 3


def test_a_network_that_is_nearly_full_says_so_while_there_is_time() -> None:
    leases = [lease(f"172.7.0.{start}-28") for start in range(16, 240, 16)]
    assert measure(SMALL, leases[:-1], NOW).warning == ""
    found = measure(SMALL, [*leases[:-1], lease("172.7.0.224-28", left=60.0)], NOW)
    assert found.scarce
    assert found.warning == (
        "1 of 15 /28 are free in 172.7.0.0/24. 1 more should be soon, as their hosts do not renew them."
        " Release what nobody needs, or give the network a larger range."
    )


def test_a_full_network_says_so() -> None:
    leases = [lease(f"172.7.0.{start}-28", reserved=start == 16) for start in range(16, 256, 16)]
    assert measure(SMALL, leases, NOW).warning == (
        "no /28 is free in 172.7.0.0/24. Release what nobody needs, or give the network a larger range."
    )
