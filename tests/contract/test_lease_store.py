"""LeaseStore: its twin, and real etcds in both dialects, in plain text and with certificates."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConflictError
from natfix.routing.lease import Attributes, Change, Lease, Snapshot
from natfix.routing.subnet import Subnet
from tests.contract.lease_worlds import KINDS, World, world
from tests.contract.listening import Listener

SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
OTHER = Subnet(IPv4Network("172.7.9.0/24"))
DUAL = Subnet(IPv4Network("172.7.22.0/24"), IPv6Network("fd00:7:22::/64"))
IPV6 = Subnet(None, IPv6Network("fd00:7:23::/64"))
HOST = Attributes(IPv4Address("10.4.7.21"), backend_type="host-gw")
VXLAN = Attributes(
    IPv4Address("10.4.7.22"),
    IPv6Address("fd00:4:7::22"),
    "vxlan",
    {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:44"},
    {"VNI": 1, "VtepMAC": "c6:d2:32:6f:8f:45"},
)


@pytest.fixture(scope="module", params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(request.param, tmp_path_factory.mktemp("leases")) as made:
        yield made


@pytest.fixture
def network(place: World) -> World:
    return place.fresh()


@pytest.fixture
def store(network: World) -> LeaseStore:
    return network.open()


def leases(store: LeaseStore) -> tuple[Lease, ...]:
    return store.snapshot().leases


def test_a_network_has_no_configuration_until_somebody_writes_one(store: LeaseStore, network: World) -> None:
    assert store.config() is None
    store.configure('{"Network": "172.7.0.0/16", "x": "ä=&+"}', expected=None)
    assert network.open().config() == '{"Network": "172.7.0.0/16", "x": "ä=&+"}'


def test_a_configuration_is_written_in_place_of_the_one_that_was_read(store: LeaseStore, network: World) -> None:
    store.configure("one", expected=None)
    store.configure("two", expected="one")
    assert network.open().config() == "two"


@pytest.mark.parametrize("expected", [None, "", "another", "one "])
def test_a_configuration_that_is_another_by_now_stays(store: LeaseStore, expected: str | None) -> None:
    store.configure("one", expected=None)
    with pytest.raises(ConflictError, match="somebody else has written another configuration meanwhile; nothing was changed"):
        store.configure("two", expected=expected)
    assert store.config() == "one"


def test_a_configuration_that_has_gone_is_not_replaced(store: LeaseStore) -> None:
    with pytest.raises(ConflictError):
        store.configure("two", expected="one")
    assert store.config() is None


def test_hosts_choose_their_subnets_themselves(store: LeaseStore) -> None:
    assert store.assigned() is None


def test_a_new_network_has_no_leases(store: LeaseStore) -> None:
    found = store.snapshot(expiry=True)
    assert found == Snapshot((), found.revision)


@pytest.mark.parametrize("subnet", [SUBNET, DUAL, IPV6], ids=str)
@pytest.mark.parametrize("attributes", [HOST, VXLAN], ids=["host-gw", "vxlan"])
def test_a_subnet_that_is_taken_is_seen_by_all(
    store: LeaseStore, network: World, subnet: Subnet, attributes: Attributes
) -> None:
    made = store.create(subnet, attributes, seconds=600)
    assert replace(made, expires=None) == Lease(subnet, attributes, made.revision)
    assert made.revision > 0
    assert leases(network.open()) == (replace(made, expires=None),)


def test_leases_come_sorted_by_address(store: LeaseStore) -> None:
    for subnet in (SUBNET, DUAL, IPV6, OTHER):
        store.create(subnet, HOST, seconds=600)
    assert [lease.subnet for lease in leases(store)] == [IPV6, OTHER, SUBNET, DUAL]


def test_until_when_a_lease_holds_is_told_when_it_is_asked_for(store: LeaseStore) -> None:
    created = store.create(SUBNET, HOST, seconds=600)
    store.reserve(OTHER)
    reserved, held = store.snapshot(expiry=True).leases
    assert created.expires is not None
    assert held.expires is not None
    assert created.expires - 60 < held.expires <= created.expires + 60
    assert reserved.expires is None
    assert [lease.expires for lease in leases(store)] == [None, None]


def test_a_subnet_that_somebody_holds_cannot_be_taken(store: LeaseStore, network: World) -> None:
    held = store.create(SUBNET, HOST, seconds=600)
    with pytest.raises(ConflictError, match=r"somebody holds 172\.7\.21\.0/24 already; nothing was changed"):
        network.open().create(SUBNET, VXLAN, seconds=600)
    assert leases(store) == (replace(held, expires=None),)


def test_of_two_hosts_that_take_a_subnet_at_once_one_gets_it(store: LeaseStore, network: World) -> None:
    got: list[str] = []
    together = threading.Barrier(4, timeout=60)

    def take(number: int) -> None:
        own = network.open()
        own.snapshot()
        together.wait()
        try:
            own.create(SUBNET, replace(HOST, public_ip=IPv4Address(f"10.4.7.{number}")), seconds=600)
        except ConflictError:
            got.append("nothing")
        else:
            got.append(f"10.4.7.{number}")

    threads = [threading.Thread(target=take, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got)[1:] == ["nothing"] * 3
    assert [str(lease.attributes.public_ip) for lease in leases(store)] == sorted(got)[:1]


def test_a_lease_is_held_on_with_what_has_changed(store: LeaseStore) -> None:
    first = store.create(SUBNET, HOST, seconds=60)
    second = store.renew(first, VXLAN, seconds=600)
    assert second.revision > first.revision
    assert second.expires is not None
    assert first.expires is not None
    assert second.expires > first.expires + 300
    (found,) = store.snapshot(expiry=True).leases
    assert replace(found, expires=None) == replace(second, expires=None) == Lease(SUBNET, VXLAN, second.revision)
    assert found.expires is not None
    assert found.expires > first.expires + 300


def test_a_lease_that_somebody_else_has_changed_is_not_held_on(store: LeaseStore, network: World) -> None:
    first = store.create(SUBNET, HOST, seconds=600)
    second = network.open().renew(first, VXLAN, seconds=600)
    with pytest.raises(ConflictError, match=r"the lease of 172\.7\.21\.0/24 is gone or another's; nothing was changed"):
        store.renew(first, HOST, seconds=600)
    assert leases(store) == (replace(second, expires=None),)


def test_a_lease_that_has_gone_is_not_held_on(store: LeaseStore) -> None:
    lease = store.create(SUBNET, HOST, seconds=600)
    store.release(lease)
    with pytest.raises(ConflictError):
        store.renew(lease, HOST, seconds=600)
    assert leases(store) == ()


def test_a_lease_that_nobody_holds_on_goes(store: LeaseStore, network: World) -> None:
    before = store.snapshot().revision
    with Listener(store, before) as listener:
        kept = store.create(OTHER, HOST, seconds=600)
        # The last one, as a second may be over before anything else is done.
        store.create(SUBNET, HOST, seconds=1)
        network.elapse(2)
        other, put, gone = listener.changes(3)
    assert (other.kind, put.kind, gone.kind, gone.lease.subnet) == ("put", "put", "gone", SUBNET)
    assert leases(store) == (replace(kept, expires=None),)


def test_a_lease_is_let_go(store: LeaseStore) -> None:
    lease = store.create(SUBNET, HOST, seconds=600)
    store.release(lease)
    assert leases(store) == ()
    with pytest.raises(ConflictError):
        store.release(lease)


def test_a_lease_that_is_anothers_by_now_is_not_let_go(store: LeaseStore) -> None:
    lease = store.create(SUBNET, HOST, seconds=600)
    held = store.renew(lease, HOST, seconds=600)
    with pytest.raises(ConflictError, match="gone or another's; nothing was changed"):
        store.release(lease)
    assert leases(store) == (replace(held, expires=None),)


@pytest.mark.parametrize("attributes", [Attributes(), Attributes(IPv4Address("10.4.7.30"))], ids=["nobody", "a host"])
def test_a_reservation_keeps_a_subnet_for_good(store: LeaseStore, attributes: Attributes) -> None:
    made = store.reserve(SUBNET, attributes)
    assert made == Lease(SUBNET, attributes, made.revision, reserved=True)
    with pytest.raises(ConflictError):
        store.create(SUBNET, HOST, seconds=600)
    with pytest.raises(ConflictError):
        store.reserve(SUBNET)
    assert store.snapshot(expiry=True).leases == (made,)
    store.release(made)
    assert leases(store) == ()


def test_a_subnet_that_is_held_cannot_be_reserved(store: LeaseStore) -> None:
    held = store.create(SUBNET, HOST, seconds=600)
    with pytest.raises(ConflictError):
        store.reserve(SUBNET)
    assert leases(store) == (replace(held, expires=None),)


def test_a_reservation_stays_one_when_its_host_publishes_itself(store: LeaseStore) -> None:
    reserved = store.reserve(SUBNET, Attributes(HOST.public_ip))
    made = store.renew(reserved, HOST, seconds=1)
    assert made == Lease(SUBNET, HOST, made.revision, reserved=True)
    assert store.snapshot(expiry=True).leases == (made,)


def test_a_watch_tells_what_came_after_the_snapshot_in_its_order(store: LeaseStore, network: World) -> None:
    early = store.create(OTHER, HOST, seconds=600)
    revision = store.snapshot().revision
    first = store.create(SUBNET, HOST, seconds=600)
    with Listener(network.open(), revision) as listener:
        second = store.renew(first, VXLAN, seconds=600)
        store.release(second)
        third = store.reserve(DUAL)
        store.release(early)
        heard = listener.changes(5)
    assert heard[0] == Change("put", replace(first, expires=None))
    assert heard[1] == Change("put", replace(second, expires=None))
    assert (heard[2].kind, heard[2].lease.subnet) == ("gone", SUBNET)
    assert heard[3] == Change("put", third)
    assert (heard[4].kind, heard[4].lease.subnet) == ("gone", OTHER)


def test_a_watch_says_that_the_store_is_there(store: LeaseStore) -> None:
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()


def test_a_watch_that_is_closed_ends(store: LeaseStore) -> None:
    with Listener(store, store.snapshot().revision) as listener:
        listener.established()
        listener.watch.close()
        assert listener.end() is None
        listener.watch.close()


def test_a_watch_that_is_closed_before_it_begins_ends(store: LeaseStore) -> None:
    watch = store.watch(store.snapshot().revision)
    watch.close()
    assert [changes for changes in watch if changes] == []


def test_entries_that_are_no_leases_are_told_and_hold_nothing_up(store: LeaseStore, network: World) -> None:
    network.litter("somebody's notes", "hello")
    held = store.create(SUBNET, HOST, seconds=600)
    found = store.snapshot()
    assert found.leases == (replace(held, expires=None),)
    assert len(found.unreadable) == 1
    assert "somebody's notes" in found.unreadable[0]


def test_a_watch_passes_over_what_is_no_lease(store: LeaseStore, network: World) -> None:
    with Listener(store, store.snapshot().revision) as listener:
        network.litter("somebody's notes", "hello")
        held = store.create(SUBNET, HOST, seconds=600)
        assert listener.changes(1) == (Change("put", replace(held, expires=None)),)


def test_many_leases_come_at_once(store: LeaseStore) -> None:
    subnets = [Subnet(IPv4Network((0xAC070000 + (number << 8), 24))) for number in range(200)]
    before = store.snapshot().revision
    made = [store.create(subnet, HOST, seconds=600) for subnet in subnets]
    found = store.snapshot(expiry=True).leases
    assert [lease.subnet for lease in found] == subnets
    assert all(lease.expires is not None and lease.expires > made[0].expires - 60 for lease in found if made[0].expires)
    with Listener(store, before) as listener:
        assert [change.lease.subnet for change in listener.changes(200)] == subnets
