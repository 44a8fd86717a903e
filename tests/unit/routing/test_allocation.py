"""natfix/routing/allocation.py: which subnet a host shall have."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest

from natfix.routing.allocation import Choice, belongs_to, choose, fits, rival
from natfix.routing.lease import Attributes, Lease
from natfix.routing.network import NetworkConfig
from natfix.routing.subnet import Subnet

CONFIG = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}')
SMALL = NetworkConfig.parse('{"Network": "172.7.0.0/28", "Backend": {"Type": "host-gw"}}')
DUAL = NetworkConfig.parse(
    '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/48", "Backend": {"Type": "host-gw"}}'
)
UNEVEN = NetworkConfig.parse(
    '{"Network": "172.7.0.0/28", "EnableIPv6": true, "IPv6Network": "fd00:7::/62", "Backend": {"Type": "host-gw"}}'
)
SIX = NetworkConfig.parse(
    '{"EnableIPv4": false, "EnableIPv6": true, "IPv6Network": "fd00:7::/48", "Backend": {"Type": "host-gw"}}'
)
HOST = Attributes(IPv4Address("10.4.7.21"), IPv6Address("fd00:4::21"))
OTHER = Attributes(IPv4Address("10.4.7.22"), IPv6Address("fd00:4::22"))


def lease(key: str, attributes: Attributes = OTHER, *, reserved: bool = False, revision: int = 0) -> Lease:
    return Lease(Subnet.parse_key(key), attributes, revision=revision, reserved=reserved)


def never(count: int) -> int:
    raise AssertionError(f"chance was asked for one of {count}")


def last(count: int) -> int:
    return count - 1


def pick(config: NetworkConfig = CONFIG, *leases: Lease, host: Attributes = HOST, previous: str | None = None) -> Choice:
    return choose(config, leases, host, None if previous is None else Subnet.parse_key(previous), last)


def key(choice: Choice) -> str | None:
    return None if choice.subnet is None else choice.subnet.key


def test_a_host_keeps_the_lease_it_holds() -> None:
    mine = lease("172.7.99.0-24", HOST, revision=7)
    choice = choose(CONFIG, [lease("172.7.21.0-24"), mine], HOST, Subnet.parse_key("172.7.50.0-24"), never)
    assert choice == Choice("held", mine.subnet, mine, rest=253)


def test_of_several_leases_the_one_that_containers_run_in_is_kept_then_the_reserved_one_then_the_first() -> None:
    leases = (lease("172.7.9.0-24", HOST), lease("172.7.50.0-24", HOST, reserved=True), lease("172.7.10.0-24", HOST))
    assert key(pick(CONFIG, *leases, previous="172.7.10.0-24")) == "172.7.10.0-24"
    assert key(pick(CONFIG, *leases)) == "172.7.50.0-24"
    assert key(pick(CONFIG, *leases[::2])) == "172.7.9.0-24"


def test_a_reservation_that_names_the_host_is_taken_and_stays_one() -> None:
    reserved = lease("172.7.50.0-24", HOST, reserved=True)
    assert pick(CONFIG, reserved) == Choice("reserved", reserved.subnet, reserved, rest=254)


def test_a_reservation_for_nobody_is_taken_by_nobody() -> None:
    reserved = lease("172.7.21.0-24", Attributes(), reserved=True)
    for previous in (None, "172.7.21.0-24"):
        assert key(pick(CONFIG, reserved, previous=previous)) == "172.7.255.0-24"


def test_the_subnet_it_had_before_is_taken_when_it_is_free() -> None:
    choice = choose(CONFIG, [lease("172.7.21.0-24")], HOST, Subnet.parse_key("172.7.50.0-24"), never)
    assert choice == Choice("previous", Subnet.parse_key("172.7.50.0-24"), rest=253)


@pytest.mark.parametrize("taken", ["172.7.50.0-24", "172.7.50.128-25", "172.7.48.0-22", "172.7.50.0-24&fd00:7::-64"])
def test_the_subnet_it_had_before_is_never_stolen(taken: str) -> None:
    choice = pick(CONFIG, lease(taken), previous="172.7.50.0-24")
    assert (choice.reason, key(choice)) == ("address", "172.7.21.0-24")


@pytest.mark.parametrize("previous", ["172.7.0.0-24", "10.1.2.0-24", "172.7.50.0-25", "0.0.0.0-0&fd00:7:0:5::-64"])
def test_a_subnet_from_before_that_fits_no_longer_is_passed_over(previous: str) -> None:
    assert key(pick(CONFIG, previous=previous)) == "172.7.21.0-24"


def test_a_new_host_gets_the_subnet_that_follows_its_address_as_people_number_them() -> None:
    assert choose(CONFIG, [], HOST, None, never) == Choice("address", Subnet.parse_key("172.7.21.0-24"), rest=254)
    assert key(pick(CONFIG, host=OTHER)) == "172.7.22.0-24"


def test_chance_decides_when_the_address_says_a_subnet_that_is_taken_or_none() -> None:
    taken = pick(CONFIG, lease("172.7.21.0-24"), lease("172.7.255.0-24"))
    assert (taken.reason, key(taken), taken.rest) == ("chance", "172.7.254.0-24", 252)
    none = pick(CONFIG, host=Attributes(IPv4Address("10.4.7.0")))
    assert (none.reason, key(none)) == ("chance", "172.7.255.0-24")
    assert pick(SIX, host=Attributes(HOST.public_ip)).reason == "chance"


def test_a_full_network_is_said_to_be_exhausted() -> None:
    full = [lease(f"172.7.0.{start}-30") for start in (4, 8)]
    assert key(pick(SMALL, *full)) == "172.7.0.12-30"
    assert pick(SMALL, *full, lease("172.7.0.12-30", Attributes(), reserved=True)) == Choice("exhausted", None)


def test_leases_that_fit_no_longer_are_let_go_and_give_way() -> None:
    old = lease("172.7.20.0-23", HOST)
    choice = pick(CONFIG, old)
    assert (key(choice), choice.lease, choice.obsolete) == ("172.7.21.0-24", None, (old,))
    mine = lease("172.7.99.0-24", HOST)
    assert pick(CONFIG, old, mine).obsolete == (old,)


def test_a_reservation_that_fits_no_longer_is_neither_taken_nor_let_go() -> None:
    choice = pick(CONFIG, lease("172.7.20.0-23", HOST, reserved=True))
    assert (choice.reason, choice.obsolete) == ("chance", ())


def test_in_dual_stack_both_halves_have_one_index() -> None:
    assert key(pick(DUAL)) == "172.7.21.0-24&fd00:7:0:15::-64"
    assert key(pick(DUAL, lease("0.0.0.0-0&fd00:7:0:15::-64"))) == "172.7.255.0-24&fd00:7:0:ff::-64"


def test_a_host_that_gets_a_second_family_keeps_the_first() -> None:
    old = lease("172.7.99.0-24", Attributes(HOST.public_ip))
    choice = pick(DUAL, old)
    assert (choice.reason, key(choice), choice.obsolete) == ("previous", "172.7.99.0-24&fd00:7:0:63::-64", (old,))
    beside = pick(DUAL, old, lease("0.0.0.0-0&fd00:7:0:63::-64"))
    assert key(beside) == "172.7.99.0-24&fd00:7:0:ffff::-64"


def test_a_half_from_before_that_is_taken_is_replaced_beside_the_other() -> None:
    taken = lease("172.7.99.0-24&fd00:7:0:1::-64")
    choice = pick(DUAL, taken, previous="172.7.99.0-24&fd00:7:0:63::-64")
    assert (choice.reason, key(choice)) == ("previous", "172.7.255.0-24&fd00:7:0:63::-64")
    assert key(pick(DUAL, taken, lease("0.0.0.0-0&fd00:7:0:63::-64"), previous="172.7.99.0-24&fd00:7:0:63::-64")) == (
        "172.7.21.0-24&fd00:7:0:15::-64"
    )


def test_pairs_are_broken_up_before_a_network_is_exhausted() -> None:
    broken = [lease("172.7.0.4-30&fd00:7:0:2::-64"), lease("172.7.0.12-30&fd00:7:0:3::-64")]
    choice = pick(UNEVEN, *broken)
    assert (choice.reason, key(choice), choice.rest) == ("chance", "172.7.0.8-30&fd00:7:0:1::-64", 0)
    assert pick(UNEVEN, *broken, lease("0.0.0.0-0&fd00:7:0:1::-64")).reason == "exhausted"
    assert pick(UNEVEN, *broken, lease("0.0.0.0-0&fd00:7:0:1::-64"), previous="172.7.0.8-30").reason == "exhausted"


def test_ipv6_alone_follows_the_address_of_ipv6() -> None:
    assert key(pick(SIX)) == "0.0.0.0-0&fd00:7:0:21::-64"


@pytest.mark.parametrize(
    ("config", "key", "fitting"),
    [
        (CONFIG, "172.7.21.0-24", True),
        (CONFIG, "172.7.21.0-24&fd00:7:0:21::-64", False),
        (CONFIG, "172.7.0.0-24", False),
        (DUAL, "172.7.21.0-24&fd00:7:0:21::-64", True),
        (DUAL, "172.7.21.0-24", False),
        (DUAL, "172.7.21.0-24&fd00:7:0:21::-80", False),
        (SIX, "0.0.0.0-0&fd00:7:0:21::-64", True),
    ],
)
def test_a_subnet_fits_when_the_configuration_would_lease_it(config: NetworkConfig, key: str, fitting: bool) -> None:  # noqa: FBT001
    assert fits(Subnet.parse_key(key), config) is fitting


@pytest.mark.parametrize(
    ("config", "attributes", "mine"),
    [
        (CONFIG, Attributes(HOST.public_ip), True),
        (CONFIG, Attributes(HOST.public_ip, OTHER.public_ipv6), True),
        (CONFIG, Attributes(OTHER.public_ip, HOST.public_ipv6), False),
        (CONFIG, Attributes(), False),
        (DUAL, Attributes(HOST.public_ip), True),
        (DUAL, Attributes(HOST.public_ip, OTHER.public_ipv6), False),
        (DUAL, HOST, True),
        (SIX, Attributes(OTHER.public_ip, HOST.public_ipv6), True),
        (SIX, Attributes(HOST.public_ip), False),
    ],
)
def test_a_lease_is_known_by_the_addresses_of_the_families_there_are(
    config: NetworkConfig,
    attributes: Attributes,
    mine: bool,  # noqa: FBT001
) -> None:
    assert belongs_to(lease("172.7.21.0-24", attributes), HOST, config) is mine


def test_of_two_hosts_that_overlap_the_later_gives_way() -> None:
    first = lease("172.7.21.0-24&fd00:7:0:1::-64", HOST, revision=5)
    second = lease("172.7.21.0-24&fd00:7:0:2::-64", OTHER, revision=6)
    apart = lease("172.7.22.0-24&fd00:7:0:3::-64", OTHER, revision=4)
    everybody = (apart, first, second)
    assert rival(second, everybody, DUAL) == first
    assert rival(first, everybody, DUAL) is None


def test_a_host_is_no_rival_of_its_own() -> None:
    old = lease("172.7.20.0-23", HOST, revision=5)
    assert rival(lease("172.7.21.0-24", HOST, revision=6), [old], CONFIG) is None


def rounds_of(config: NetworkConfig, addresses: list[IPv4Address]) -> int:
    """How often the slowest host has to choose, when all choose from the same view and one of each subnet succeeds."""
    chance, taken, rounds = Random(7).randrange, dict[Subnet, Lease](), 0  # noqa: S311
    while addresses:
        rounds += 1
        seen, late = tuple(taken.values()), []
        for address in addresses:
            host = Attributes(address)
            subnet = choose(config, seen, host, None, chance).subnet
            assert subnet is not None
            if taken.setdefault(subnet, Lease(subnet, host)).attributes != host:
                late.append(address)
        addresses = late
    return rounds


def test_hosts_with_addresses_in_a_row_that_start_at_once_never_collide() -> None:
    config = NetworkConfig.parse('{"Network": "10.0.0.0/8", "SubnetLen": 20, "Backend": {"Type": "host-gw"}}')
    assert rounds_of(config, [IPv4Address("10.4.0.1") + number for number in range(4000)]) == 1


def test_hosts_whose_addresses_say_the_same_settle_in_a_few_rounds_though_the_network_fills_up() -> None:
    config = NetworkConfig.parse('{"Network": "10.0.0.0/16", "SubnetLen": 24, "Backend": {"Type": "host-gw"}}')
    assert rounds_of(config, [IPv4Address("10.4.0.7") + number * 256 for number in range(255)]) <= 12
