"""Hold this host's lease: in time, again when it was lost, and never against another host."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

import pytest

from natfix.app.node.tenancy import LEASE_SECONDS, Held, Tenancy, hold
from natfix.errors import ConflictError, HostError
from natfix.host.memory.leases import MemoryLeaseStore
from natfix.routing.lease import Attributes, Lease
from natfix.routing.subnet import Subnet

SUBNET = Subnet(IPv4Network("172.7.21.0/24"))
MINE = Attributes(IPv4Address("10.4.7.21"), backend_type="vxlan", backend_data={"VNI": 1, "VtepMAC": "0e:00:00:00:00:01"})
OTHER = Attributes(IPv4Address("10.4.7.22"), backend_type="vxlan")
MARGIN = 3600.0


def held(store: MemoryLeaseStore, *, watched: bool = True) -> Tenancy:
    lease = store.create(SUBNET, MINE, seconds=LEASE_SECONDS)
    return Tenancy(store, lease, margin=MARGIN, now=0.0, watched=watched)


def run(tenancy: Tenancy, now: float) -> Held | HostError | ConflictError:
    errand = tenancy.errand(now)
    assert errand is not None
    try:
        outcome: Held | HostError | ConflictError = errand()
    except (HostError, ConflictError) as error:
        outcome = error
    tenancy.settle(outcome, now)
    return outcome


def test_a_lease_is_renewed_a_margin_before_its_end() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    due = LEASE_SECONDS - MARGIN
    assert tenancy.sleep(0.0) == due
    assert tenancy.errand(due - 1) is None
    store.elapse(due)
    outcome = run(tenancy, due)
    assert isinstance(outcome, Held)
    assert outcome.how == "renewed"
    (stored,) = store.snapshot(expiry=True).leases
    assert stored.expires == store.clock.now().timestamp() + LEASE_SECONDS
    assert (tenancy.lease.revision, tenancy.sleep(due)) == (stored.revision, due)


def test_one_errand_runs_at_a_time() -> None:
    tenancy = held(MemoryLeaseStore())
    assert tenancy.errand(LEASE_SECONDS) is not None
    assert tenancy.errand(LEASE_SECONDS) is None
    assert tenancy.sleep(LEASE_SECONDS) > 0


def test_a_store_that_does_not_answer_is_asked_again_less_and_less_often_and_at_once_when_it_is_back() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.go_away()
    now, pauses = LEASE_SECONDS, []
    for _ in range(8):
        assert isinstance(run(tenancy, now), HostError)
        pauses.append(tenancy.sleep(now))
        now += pauses[-1]
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    store.come_back()
    tenancy.seen_again(now - 50)
    assert tenancy.sleep(now - 50) == 0.0
    assert isinstance(run(tenancy, now - 50), Held)


def test_a_store_that_is_seen_again_makes_no_errand_of_its_own() -> None:
    tenancy = held(MemoryLeaseStore())
    tenancy.seen_again(5.0)
    assert tenancy.errand(5.0) is None


def test_a_lost_lease_is_taken_again() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.release(tenancy.lease)
    assert not tenancy.heard(None, 10.0)
    outcome = run(tenancy, 10.0)
    assert isinstance(outcome, Held)
    assert (outcome.how, outcome.lease.subnet, outcome.lease.attributes) == ("retaken", SUBNET, MINE)


def test_a_lease_that_goes_while_an_errand_is_on_its_way_is_looked_after_afterwards() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    errand = tenancy.errand(LEASE_SECONDS)
    assert errand is not None
    outcome = errand()
    store.release(outcome.lease)
    tenancy.heard(None, LEASE_SECONDS)
    tenancy.settle(outcome, LEASE_SECONDS)
    assert isinstance(run(tenancy, LEASE_SECONDS), Held)
    assert [one.attributes for one in store.snapshot().leases] == [MINE]


def test_a_subnet_that_another_host_has_by_now_ends_it() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.release(tenancy.lease)
    other = store.create(SUBNET, OTHER, seconds=LEASE_SECONDS)
    assert tenancy.heard(other, 10.0)
    errand = tenancy.errand(10.0)
    assert errand is not None
    with pytest.raises(ConflictError, match=r"172\.7\.21\.0/24 of this host is leased to 10\.4\.7\.22") as caught:
        errand()
    with pytest.raises(ConflictError):
        tenancy.settle(caught.value, 10.0)
    assert store.snapshot().leases == (replace(other, expires=None),)


def test_a_larger_lease_of_another_host_over_the_subnet_ends_it_too() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.release(tenancy.lease)
    store.create(Subnet(IPv4Network("172.7.20.0/22")), OTHER, seconds=LEASE_SECONDS)
    with pytest.raises(ConflictError, match=r"172\.7\.20\.0/22"):
        hold(store, tenancy.lease, MINE)


def test_a_reservation_for_nobody_ends_it_and_one_for_this_host_does_not() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.release(tenancy.lease)
    reserved = store.reserve(SUBNET)
    with pytest.raises(ConflictError, match="reserved"):
        hold(store, tenancy.lease, MINE)
    store.release(reserved)
    store.reserve(SUBNET, Attributes(MINE.public_ip))
    done = hold(store, tenancy.lease, MINE)
    assert (done.how, done.lease.reserved, done.lease.attributes) == ("adopted", True, MINE)


def test_a_write_that_was_made_without_an_answer_is_found_the_next_time() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    store.release(tenancy.lease)
    store.swallowed = 1
    tenancy.heard(None, 10.0)
    assert isinstance(run(tenancy, 10.0), HostError)
    outcome = run(tenancy, 11.0)
    assert isinstance(outcome, Held)
    assert outcome.how == "adopted"


def test_a_lease_that_never_holds_still_is_given_up_for_now() -> None:
    class Restless(MemoryLeaseStore):
        def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:
            raise ConflictError("changed")

    store = Restless()
    with pytest.raises(HostError, match="faster than it can be renewed"):
        hold(store, store.create(SUBNET, MINE, seconds=LEASE_SECONDS), MINE)


def test_its_own_writes_are_no_news() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    assert not tenancy.heard(tenancy.lease, 1.0)
    errand = tenancy.errand(LEASE_SECONDS)
    assert errand is not None
    outcome = errand()
    assert not tenancy.heard(outcome.lease, LEASE_SECONDS)
    tenancy.settle(outcome, LEASE_SECONDS)
    assert not tenancy.heard(outcome.lease, LEASE_SECONDS)
    assert tenancy.rivals == 0


def test_another_agent_with_the_same_address_is_noticed_and_not_fought() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    rival = store.renew(tenancy.lease, MINE, seconds=LEASE_SECONDS)
    assert tenancy.heard(rival, 10.0)
    assert (tenancy.rivals, tenancy.sleep(10.0)) == (1, LEASE_SECONDS - MARGIN - 10.0)
    second = store.renew(rival, replace(MINE, backend_data={"VNI": 1, "VtepMAC": "0e:00:00:00:00:02"}), seconds=LEASE_SECONDS)
    assert tenancy.heard(second, 20.0)
    assert tenancy.sleep(20.0) == 60.0
    run(tenancy, 80.0)
    assert store.snapshot().leases[0].attributes == MINE


def test_a_rival_that_writes_while_an_errand_is_on_its_way_is_noticed_afterwards() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    errand = tenancy.errand(LEASE_SECONDS)
    assert errand is not None
    outcome = errand()
    rival = store.renew(outcome.lease, MINE, seconds=LEASE_SECONDS)
    assert not tenancy.heard(rival, LEASE_SECONDS)
    tenancy.settle(outcome, LEASE_SECONDS)
    assert tenancy.rivals == 1


def test_news_older_than_what_was_written_since_are_passed_over_but_a_snapshot_counts() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    old = replace(tenancy.lease, revision=tenancy.lease.revision - 1, attributes=OTHER)
    assert not tenancy.heard(old, 1.0)
    assert tenancy.heard(old, 1.0, anew=True)


def test_where_revisions_change_for_many_reasons_only_what_is_told_counts() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store, watched=False)
    assert not tenancy.heard(replace(tenancy.lease, revision=99), 1.0)
    assert not tenancy.heard(replace(tenancy.lease, revision=0), 1.0)
    assert tenancy.rivals == 0
    assert tenancy.heard(replace(tenancy.lease, revision=100, attributes=replace(MINE, backend_type="host-gw")), 1.0)


def test_what_peers_are_told_is_written_at_once_when_it_changes() -> None:
    store = MemoryLeaseStore()
    tenancy = held(store)
    moved = replace(MINE, public_ip=IPv4Address("10.4.7.99"))
    tenancy.announce(MINE, 5.0)
    assert tenancy.errand(5.0) is None
    tenancy.announce(moved, 5.0)
    errand = tenancy.errand(5.0)
    assert errand is not None
    tenancy.announce(replace(moved, backend_type="host-gw"), 5.5)
    tenancy.settle(errand(), 6.0)
    assert store.snapshot().leases[0].attributes == moved
    assert tenancy.sleep(6.0) == 0.0
    run(tenancy, 6.0)
    assert store.snapshot().leases[0].attributes.backend_type == "host-gw"
