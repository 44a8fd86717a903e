"""natfix/app/leases.py: who holds which subnet, on the twin of a store."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from natfix.app.leases import look, read_host, read_subnet, release, reserve
from natfix.errors import ConfigError, ConflictError, HostError, UsageError
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes
from natfix.routing.subnet import Subnet

CONFIG = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
HOST = Attributes(IPv4Address("10.4.7.21"), backend_type="host-gw")
OTHER = Attributes(IPv4Address("10.4.7.22"))
NOBODY = Attributes()


@pytest.fixture
def store() -> MemoryLeaseStore:
    return MemoryLeaseStore(CONFIG)


def test_leases_are_looked_at_with_what_is_left(store: MemoryLeaseStore) -> None:
    made = store.create(SUBNET, HOST, seconds=86400)
    now = store.clock.now().timestamp()
    report = look(store, now, expiry=True)
    assert report.leases == (made,)
    assert report.capacity is not None
    assert (report.capacity.used, report.capacity.free, report.capacity.expiring) == (1, 254, 0)
    assert look(store, now, expiry=False).leases[0].expires is None


@pytest.mark.parametrize(("text", "note"), [(None, "nobody has configured a network yet"), ("{}", "Network is missing")])
def test_without_a_network_leases_are_shown_all_the_same(text: str | None, note: str) -> None:
    store = MemoryLeaseStore(text)
    store.create(SUBNET, HOST, seconds=600)
    report = look(store, 0, expiry=False)
    assert (len(report.leases), report.capacity) == (1, None)
    assert note in report.notes[0]


def test_what_is_no_lease_is_handed_on(store: MemoryLeaseStore) -> None:
    store.unreadable = ("notes",)
    assert look(store, 0, expiry=False).unreadable == ("notes",)


@pytest.mark.parametrize("host", [NOBODY, OTHER], ids=["nobody", "a host"])
def test_a_subnet_is_reserved_and_a_second_time_there_is_nothing_to_do(store: MemoryLeaseStore, host: Attributes) -> None:
    assert reserve(store, SUBNET, host, dry_run=True).outcome == "planned"
    assert store.snapshot().leases == ()
    done = reserve(store, SUBNET, host, dry_run=False)
    assert (done.outcome, store.snapshot().leases) == ("done", (done.lease,))
    again = reserve(store, SUBNET, host, dry_run=False)
    assert (again.outcome, again.lease, store.snapshot().leases) == ("nothing", done.lease, (done.lease,))


def test_what_a_host_holds_is_not_reserved(store: MemoryLeaseStore) -> None:
    store.create(SUBNET, HOST, seconds=600)
    for wanted in (SUBNET, Subnet(IPv4Network("172.7.16.0/20"))):
        with pytest.raises(ConflictError, match=r"10\.4\.7\.21 holds 172\.7\.21\.0/24; nothing was changed"):
            reserve(store, wanted, NOBODY, dry_run=False)


def test_what_is_reserved_for_one_is_not_reserved_for_another(store: MemoryLeaseStore) -> None:
    reserve(store, SUBNET, NOBODY, dry_run=False)
    with pytest.raises(ConflictError, match=r"a reservation holds 172\.7\.21\.0/24"):
        reserve(store, SUBNET, OTHER, dry_run=False)


@pytest.mark.parametrize("outside", ["172.8.1.0/24", "172.0.0.0/8", "fd00:7::/64"])
def test_what_lies_outside_the_network_is_not_reserved(store: MemoryLeaseStore, outside: str) -> None:
    with pytest.raises(ConfigError, match=r"does not lie in the cluster's network, 172\.7\.0\.0/16"):
        reserve(store, read_subnet(outside), NOBODY, dry_run=False)


def test_a_subnet_is_reserved_for_a_host_only_if_it_could_have_it(store: MemoryLeaseStore) -> None:
    with pytest.raises(ConfigError, match=r"the network leases a /24 between 172\.7\.1\.0 and 172\.7\.255\.0"):
        reserve(store, read_subnet("172.7.64.0/18"), OTHER, dry_run=False)


def test_in_dual_stack_both_halves_must_lie_in_the_network() -> None:
    text = '{"Network": "172.7.0.0/16", "EnableIPv6": true, "IPv6Network": "fd00:7::/48", "Backend": {"Type": "host-gw"}}'
    store = MemoryLeaseStore(text)
    with pytest.raises(ConfigError, match="fd00:8::/64 does not lie"):
        reserve(store, read_subnet("172.7.3.0/24,fd00:8::/64"), NOBODY, dry_run=False)
    wanted = read_subnet("172.7.3.0/24,fd00:7:0:3::/64")
    assert reserve(store, wanted, read_host("10.4.7.3,fd00:4:7::3"), dry_run=False).lease.subnet == wanted


def test_without_a_network_nothing_is_reserved() -> None:
    with pytest.raises(HostError, match="nobody has configured a network yet"):
        reserve(MemoryLeaseStore(), SUBNET, NOBODY, dry_run=False)


def test_what_nobody_holds_is_not_let_go(store: MemoryLeaseStore) -> None:
    with pytest.raises(HostError, match=r"nobody holds 172\.7\.21\.0/24"):
        release(store, SUBNET, held=True, dry_run=False)


def test_a_reservation_is_let_go(store: MemoryLeaseStore) -> None:
    kept = reserve(store, SUBNET, OTHER, dry_run=False).lease
    assert release(store, SUBNET, held=False, dry_run=True).outcome == "planned"
    assert store.snapshot().leases == (kept,)
    done = release(store, SUBNET, held=False, dry_run=False)
    assert (done.outcome, done.lease, store.snapshot().leases) == ("done", kept, ())


def test_what_a_host_holds_is_let_go_only_when_that_is_meant(store: MemoryLeaseStore) -> None:
    store.create(SUBNET, HOST, seconds=600)
    with pytest.raises(UsageError, match=r"is no reservation: 10\.4\.7\.21 holds it until 2026-01-01 00:10:00 UTC") as caught:
        release(store, SUBNET, held=False, dry_run=False)
    assert "--held" in str(caught.value)
    assert release(store, SUBNET, held=True, dry_run=False).outcome == "done"
    assert store.snapshot().leases == ()


@pytest.mark.parametrize(
    ("text", "subnet"),
    [
        ("172.7.21.0/24", SUBNET),
        ("fd00:7:21::/64, 172.7.21.0/24", Subnet(IPv4Network("172.7.21.0/24"), IPv6Network("fd00:7:21::/64"))),
        ("fd00:7:21::/64", Subnet(None, IPv6Network("fd00:7:21::/64"))),
    ],
)
def test_a_subnet_is_read_in_any_order_of_its_families(text: str, subnet: Subnet) -> None:
    assert read_subnet(text) == subnet


@pytest.mark.parametrize("text", ["", "x", "172.7.21.1/24", "172.7.21.0/24,172.7.22.0/24", "172.7.21.0/24,"])
def test_what_is_no_subnet_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no subnet") as caught:
        read_subnet(text)
    assert "172.7.30.0/24" in str(caught.value)


def test_a_host_is_read_with_an_address_of_each_family() -> None:
    assert read_host(None) == NOBODY
    assert read_host("10.4.7.22") == OTHER
    assert read_host("fd00::1,10.4.7.22") == Attributes(IPv4Address("10.4.7.22"), IPv6Address("fd00::1"))
    with pytest.raises(UsageError, match="is no address of a host"):
        read_host("node-22")
