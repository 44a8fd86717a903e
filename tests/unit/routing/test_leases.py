"""natfix/routing/leases.py: snapshots and changes through one reducer."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from natfix.routing.lease import Attributes, Change, Lease, Snapshot
from natfix.routing.leases import LeaseTable
from natfix.routing.subnet import Subnet


def lease(number: int, *, mac: str = "02:00:00:00:00:01", revision: int = 1) -> Lease:
    attributes = Attributes(IPv4Address("10.4.7.0") + number, backend_type="vxlan", backend_data={"VtepMAC": mac})
    return Lease(Subnet.parse_key(f"172.7.{number}.0-24"), attributes, revision=revision)


def table(*leases: Lease) -> LeaseTable:
    made = LeaseTable()
    made.reset(Snapshot(leases, 1))
    return made


def told(changes: tuple[Change, ...]) -> list[str]:
    return [f"{change.kind} {change.lease.subnet}" for change in changes]


def test_everything_is_new_to_an_empty_table() -> None:
    empty = LeaseTable()
    assert (dict(empty.leases), empty.revision) == ({}, 0)
    assert told(empty.reset(Snapshot((lease(22), lease(21)), 5))) == ["put 172.7.21.0/24", "put 172.7.22.0/24"]
    assert empty.revision == 5
    assert empty.leases[lease(21).subnet] == lease(21)


def test_the_same_snapshot_again_says_nothing_and_this_host_s_own_lease_does_not_go() -> None:
    own, peer = lease(21), lease(22)
    known = table(own, peer)
    assert known.reset(Snapshot((own, peer), 2)) == ()
    assert known.reset(Snapshot((own, peer), 3)) == ()
    assert set(known.leases) == {own.subnet, peer.subnet}


def test_what_a_snapshot_lacks_is_gone_as_it_was_known() -> None:
    assert table(lease(21), lease(22)).reset(Snapshot((lease(21),), 2)) == (Change("gone", lease(22)),)


@pytest.mark.parametrize("changed", [lease(22, mac="02:00:00:00:00:02"), replace(lease(22), reserved=True)])
def test_a_lease_that_says_something_else_is_told_by_a_snapshot_as_by_a_change(changed: Lease) -> None:
    expected = (Change("put", changed),)
    assert table(lease(21), lease(22)).reset(Snapshot((lease(21), changed), 2)) == expected
    assert table(lease(21), lease(22)).update([Change("put", changed)]) == expected


def test_a_renewal_says_nothing_and_its_revision_is_kept() -> None:
    known = table(lease(21))
    renewed = replace(lease(21, revision=9), expires=1000.0)
    assert known.update([Change("put", renewed)]) == ()
    assert known.leases[renewed.subnet] == renewed


def test_of_what_happens_to_one_lease_at_once_the_end_counts() -> None:
    known = table(lease(21), lease(22))
    other = lease(22, mac="02:00:00:00:00:02")
    changes = [Change("gone", lease(22)), Change("put", other), Change("put", lease(23)), Change("gone", lease(23))]
    assert known.update(changes) == (Change("put", other),)
    assert known.update([Change("put", lease(22)), Change("put", other)]) == ()


def test_a_lease_that_nobody_knew_cannot_go() -> None:
    assert table(lease(21)).update([Change("gone", Lease(lease(22).subnet))]) == ()


def test_what_is_gone_comes_before_what_is_new_each_in_order_with_all_that_was_known() -> None:
    known = table(lease(9), lease(10), lease(21))
    changes = [Change("put", lease(30)), Change("gone", Lease(lease(10).subnet)), Change("put", lease(4))]
    assert told(known.update([*changes, Change("gone", Lease(lease(9).subnet))])) == [
        "gone 172.7.9.0/24",
        "gone 172.7.10.0/24",
        "put 172.7.4.0/24",
        "put 172.7.30.0/24",
    ]
    assert table(lease(9)).update([Change("gone", Lease(lease(9).subnet))])[0].lease == lease(9)


def test_the_leases_are_for_reading_alone() -> None:
    with pytest.raises(TypeError):
        table(lease(21)).leases[lease(22).subnet] = lease(22)  # type: ignore[index]
