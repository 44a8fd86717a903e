"""What holds for every choice of a subnet, and for every count of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from natfix.errors import ConfigError
from natfix.routing import Attributes, Lease, NetworkConfig, Subnet, choose, fits, measure
from natfix.routing.space import Space

NOW = 1_000_000.0
BASE4, BASE6 = IPv4Address("172.7.0.0"), IPv6Address("fd00:7::")


@st.composite
def configs(draw: st.DrawFn) -> NetworkConfig:
    """Small networks of one family or of both, so that they fill up; some with limits."""
    said: dict[str, object] = {"Backend": {"Type": "host-gw"}}
    families = draw(st.sampled_from([("",), ("IPv6",), ("", "IPv6")]))
    said["EnableIPv4"], said["EnableIPv6"] = "" in families, "IPv6" in families
    for prefix in families:
        width, base = (128, BASE6) if prefix else (32, BASE4)
        length = width - draw(st.integers(4, 9))
        subnet = draw(st.integers(length + 2, min(length + 4, width - 2)))
        size, count = 1 << (width - subnet), 1 << (subnet - length)
        first = draw(st.integers(0, count - 1))
        said[f"{prefix}Network"] = f"{base}/{length}"
        said[f"{prefix}SubnetLen"] = subnet
        said[f"{prefix}SubnetMin"] = str(base + first * size)
        said[f"{prefix}SubnetMax"] = str(base + draw(st.integers(first, count - 1)) * size)
    return NetworkConfig.parse(json.dumps(said))


hosts = st.builds(
    Attributes,
    public_ip=st.integers(0, 9).map(lambda number: IPv4Address("10.4.7.0") + number),
    public_ipv6=st.none() | st.integers(0, 9).map(lambda number: IPv6Address("fd00:4::") + number),
)
near4 = st.builds(
    lambda start, length: IPv4Network((int(BASE4) + start, length), strict=False), st.integers(0, 600), st.integers(23, 31)
)
near6 = st.builds(
    lambda start, length: IPv6Network((int(BASE6) + start, length), strict=False), st.integers(0, 600), st.integers(119, 127)
)
subnets = st.builds(Subnet, near4) | st.builds(Subnet, st.none(), near6) | st.builds(Subnet, near4, near6)
leases = st.builds(
    Lease,
    subnet=subnets,
    attributes=hosts,
    reserved=st.booleans(),
    expires=st.none() | st.floats(NOW - 10_000, NOW + 90_000),
)
worlds = st.lists(leases, max_size=8, unique_by=lambda lease: lease.subnet)


@given(configs(), worlds, hosts, st.none() | subnets, st.integers())
def test_a_choice_overlaps_nobody_else_s(
    config: NetworkConfig, world: list[Lease], host: Attributes, previous: Subnet | None, seed: int
) -> None:
    choice = choose(config, world, host, previous, Random(seed).randrange)  # noqa: S311
    if choice.subnet is None:
        assert (choice.reason, choice.lease) == ("exhausted", None)
        return
    assert fits(choice.subnet, config)
    if choice.lease is None:
        assert not any(choice.subnet.overlaps(lease.subnet) for lease in world if lease not in choice.obsolete)
    else:
        assert choice.lease in world
        assert choice.lease.subnet == choice.subnet
    assert not any(lease.reserved or fits(lease.subnet, config) for lease in choice.obsolete)
    assert all(lease in world for lease in choice.obsolete)


@given(configs(), worlds, hosts, st.data())
def test_a_previous_subnet_that_is_free_is_taken_unless_the_host_holds_another(
    config: NetworkConfig, world: list[Lease], host: Attributes, data: st.DataObject
) -> None:
    previous = Subnet.of(pool.subnet(data.draw(st.integers(0, pool.count - 1))) for pool in config.pools)
    others = [lease for lease in world if not previous.overlaps(lease.subnet)]
    choice = choose(config, others, host, previous, lambda _: 0)
    assert choice.subnet == previous or choice.lease in others


@given(configs(), worlds, hosts)
def test_who_chooses_again_after_taking_it_keeps_it(config: NetworkConfig, world: list[Lease], named: Attributes) -> None:
    host = replace(named, public_ipv6=named.public_ipv6 or IPv6Address("fd00:4::99"))
    choice = choose(config, world, host, None, lambda count: count - 1)
    if choice.subnet is not None:
        taken = choice.lease or Lease(choice.subnet, host)
        others = [lease for lease in world if lease.subnet != taken.subnet and lease not in choice.obsolete]
        again = choose(config, [*others, taken], host, choice.subnet, lambda _: 0)
        assert (again.subnet, again.lease) == (choice.subnet, taken)


@given(configs(), worlds)
def test_hosts_find_a_subnet_as_long_as_there_is_one_and_nobody_two(config: NetworkConfig, world: list[Lease]) -> None:
    others = [replace(lease, attributes=Attributes()) for lease in world]
    free = min(Space.of((pool,), others).free for pool in config.pools)
    held: list[Lease] = []
    for number in range(free + 1):
        host = Attributes(IPv4Address("10.0.0.0") + number, IPv6Address("fd00:4::") + number)
        choice = choose(config, [*others, *held], host, None, lambda count: count // 2)
        if choice.subnet is None:
            break
        held.append(Lease(choice.subnet, host))
    assert len(held) == free
    assert len({lease.subnet for lease in held}) == free


@given(configs(), worlds)
def test_every_subnet_is_counted_once(config: NetworkConfig, world: list[Lease]) -> None:
    found = measure(config, world, NOW)
    assert found.capacity == found.used + found.reserved + found.free
    assert 0 <= found.expiring <= found.used
    networks = [found.pool.subnet(index) for index in range(found.pool.count)]
    assert found.capacity == len(networks)
    assert found.used == _covered(networks, [lease for lease in world if not lease.reserved])
    assert found.free == len(networks) - _covered(networks, world)
    alive = [lease for lease in world if not lease.reserved and (lease.expires is None or lease.expires > NOW + 3600)]
    assert found.used - found.expiring == _covered(networks, alive)
    assert found.outside == sum(not _covered(networks, [lease]) for lease in world)


@given(configs(), worlds)
def test_a_space_agrees_with_counting_one_by_one(config: NetworkConfig, world: list[Lease]) -> None:
    space = Space.of(config.pools, world)
    rows = [[pool.subnet(index) for pool in config.pools] for index in range(space.count)]
    free = [index for index, row in enumerate(rows) if not any(_covered([network], world) for network in row)]
    assert [index for index in range(-1, space.count + 1) if space.is_free(index)] == free
    assert [space.nth_free(number) for number in range(space.free)] == free


NAMES = ("Network", "SubnetLen", "SubnetMin", "subnetmax", "EnableIPv6", "IPv6Network")
ADDRESSES = ("172.7.0.0/16", "172.7.1.0", "172.7.9.0", "10.0.0.0/8", "fd00:7::/48", "0.0.0.0/0", "172.7.0.0/29")
values = st.none() | st.booleans() | st.integers(-1, 40) | st.text(max_size=8) | st.sampled_from(ADDRESSES)


@given(st.dictionaries(st.sampled_from(NAMES), values))
def test_a_configuration_is_refused_or_says_the_same_when_written_and_read(said: dict[str, object]) -> None:
    text = json.dumps({"Network": "172.7.0.0/16", **said, "Backend": {"Type": "vxlan"}})
    try:
        config = NetworkConfig.parse(text)
    except ConfigError:
        return
    assert NetworkConfig.parse(config.to_json()) == config
    assert all(pool.index(pool.subnet(pool.count - 1)) == pool.count - 1 for pool in config.pools)


def _covered(networks: Sequence[IPv4Network | IPv6Network], world: Sequence[Lease]) -> int:
    """How many of *networks* some lease overlaps, counted one by one."""
    taken = [network for lease in world for network in lease.subnet.networks]
    return sum(any(one.version == other.version and one.overlaps(other) for other in taken) for one in networks)
