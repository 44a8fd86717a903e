"""natfix/routing/space.py: which subnets of a pool are free."""

import pytest

from natfix.routing.lease import Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool
from natfix.routing.space import Space, covered
from natfix.routing.subnet import Subnet
from natfix.ruleset import parse_network

CONFIG = NetworkConfig.parse(
    '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/60", "IPv6SubnetLen": 64,'
    ' "Backend": {"Type": "host-gw"}}'
)
IPV4, IPV6 = CONFIG.pools


def space(*keys: str, pools: tuple[Pool, ...] = (IPV4,)) -> Space:
    return Space.of(pools, [Lease(Subnet.parse_key(key)) for key in keys])


def test_an_empty_pool_is_free_from_end_to_end() -> None:
    empty = space()
    assert (empty.count, empty.free, empty.used, empty.taken) == (255, 255, 0, ())
    assert [empty.is_free(index) for index in (-1, 0, 254, 255)] == [False, True, True, False]


def test_leases_side_by_side_are_one_span() -> None:
    assert space("172.7.3.0-24", "172.7.1.0-24", "172.7.2.0-24", "172.7.9.0-24").taken == ((0, 2), (8, 8))


def test_a_lease_of_another_size_covers_all_that_it_overlaps() -> None:
    assert space("172.7.4.0-22", "172.7.5.0-24").taken == ((3, 6),)
    assert space("172.7.5.0-26", "172.7.5.128-26").taken == ((4, 4),)


def test_leases_outside_cover_nothing_and_those_across_an_end_what_is_inside() -> None:
    assert space("10.0.0.0-24", "172.7.0.0-24", "172.8.0.0-24", "0.0.0.0-0&fd00:7::-64").taken == ()
    assert space("172.7.0.0-23").taken == ((0, 0),)
    assert space("172.0.0.0-8").free == 0


def test_in_dual_stack_an_index_is_free_when_both_families_are() -> None:
    both = space("172.7.3.0-24", "0.0.0.0-0&fd00:7:0:2::-64", pools=(IPV4, IPV6))
    assert (both.count, both.taken) == (15, ((1, 2),))
    assert not covered(IPV4, parse_network("172.7.200.0/24"), both.count)


def test_free_ones_are_counted_past_those_taken() -> None:
    some = space("172.7.1.0-24", "172.7.3.0-24", "172.7.4.0-24")
    assert [some.nth_free(number) for number in (0, 1, 2, 251)] == [1, 4, 5, 254]
    assert [some.is_free(index) for index in (0, 1, 2, 3, 4)] == [False, True, False, False, True]


@pytest.mark.parametrize("number", [-1, 252])
def test_there_is_no_free_one_beyond_the_last(number: int) -> None:
    with pytest.raises(IndexError):
        space("172.7.1.0-24", "172.7.3.0-24", "172.7.4.0-24").nth_free(number)


def test_a_pool_of_ipv6_may_be_larger_than_any_list() -> None:
    (large,) = NetworkConfig.parse(
        '{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00::/8", "Backend": {"Type": "host-gw"}}'
    ).pools
    found = Space.of((large,), [Lease(Subnet(ipv6=large.subnet(0)))])  # type: ignore[arg-type]  # The pool is of IPv6.
    assert found.free == 2**56 - 2
    assert found.nth_free(2**40) == 2**40 + 1
