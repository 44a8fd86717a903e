"""natfix/routing/pool.py: the subnets that hosts may have."""

from ipaddress import IPv4Address, IPv6Address

import pytest

from natfix.routing.pool import Pool, network_at
from natfix.ruleset import Family, parse_network

POOL = Pool(parse_network("172.7.0.0/16"), 24, IPv4Address("172.7.1.0"), IPv4Address("172.7.200.0"))
POOL6 = Pool(parse_network("fd00:7::/48"), 64, IPv6Address("fd00:7:0:1::"), IPv6Address("fd00:7:0:ffff::"))


def test_a_pool_is_counted_from_its_first_subnet_to_its_last() -> None:
    assert (POOL.family, POOL.size, POOL.count) == (Family.IPV4, 256, 200)
    assert (POOL6.family, POOL6.size, POOL6.count) == (Family.IPV6, 2**64, 65535)
    assert [str(POOL.subnet(index)) for index in (0, 20, 199)] == ["172.7.1.0/24", "172.7.21.0/24", "172.7.200.0/24"]
    assert str(POOL6.subnet(20)) == "fd00:7:0:15::/64"


def test_a_pool_knows_the_place_of_its_own_subnets_alone() -> None:
    assert POOL.index(parse_network("172.7.21.0/24")) == 20
    assert POOL6.index(parse_network("fd00:7:0:15::/64")) == 20
    for other in ("172.7.0.0/24", "172.7.201.0/24", "172.7.21.0/25", "172.7.21.0/23", "10.0.0.0/24", "fd00:7::/24"):
        assert POOL.index(parse_network(other)) is None


@pytest.mark.parametrize("index", [-1, 200])
def test_there_is_no_subnet_beyond_a_pool(index: int) -> None:
    with pytest.raises(IndexError):
        POOL.subnet(index)


def test_the_network_of_an_address_is_found_in_both_families() -> None:
    assert str(network_at(Family.IPV4, int(IPv4Address("172.7.21.9")), 24)) == "172.7.21.0/24"
    assert str(network_at(Family.IPV6, 9, 64)) == "::/64"
