"""What holds for every history of leases: a snapshot and the changes that lead to it say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address

from hypothesis import given
from hypothesis import strategies as st

from natfix.routing import Attributes, Change, Entry, Lease, LeaseTable, Snapshot, Subnet, encode_attributes, take_snapshot

SUBNETS = tuple(Subnet.parse_key(f"172.7.{number}.0-24") for number in (2, 9, 10, 21, 100))
MACS = ("02:00:00:00:00:01", "02:00:00:00:00:02")

attributes = st.builds(
    Attributes,
    public_ip=st.sampled_from([None, IPv4Address("10.4.7.21"), IPv4Address("10.4.7.22")]),
    backend_type=st.sampled_from(["host-gw", "vxlan"]),
    backend_data=st.none() | st.fixed_dictionaries({"VNI": st.just(1), "VtepMAC": st.sampled_from(MACS)}),
)
leases = st.builds(
    Lease,
    subnet=st.sampled_from(SUBNETS),
    attributes=attributes,
    revision=st.integers(1, 9),
    reserved=st.booleans(),
    expires=st.none() | st.floats(0, 1e9),
)
worlds = st.dictionaries(st.sampled_from(SUBNETS), leases).map(
    lambda world: {subnet: replace(lease, subnet=subnet) for subnet, lease in world.items()}
)
changes = st.lists(st.builds(Change, st.sampled_from(["put", "gone"]), leases), max_size=12)


def snapshot(world: Mapping[Subnet, Lease]) -> Snapshot:
    return Snapshot(tuple(world.values()), 1)


def table(world: Mapping[Subnet, Lease]) -> LeaseTable:
    made = LeaseTable()
    made.reset(snapshot(world))
    return made


def applied(world: Mapping[Subnet, Lease], history: tuple[Change, ...] | list[Change]) -> dict[Subnet, Lease]:
    after = dict(world)
    for change in history:
        after.pop(change.lease.subnet, None)
        if change.kind == "put":
            after[change.lease.subnet] = change.lease
    return after


def said(world: Mapping[Subnet, Lease]) -> dict[Subnet, tuple[Attributes, bool]]:
    return {subnet: (lease.attributes, lease.reserved) for subnet, lease in world.items()}


@given(worlds, changes)
def test_a_snapshot_says_what_the_changes_that_lead_to_it_say(world: dict[Subnet, Lease], history: list[Change]) -> None:
    followed, renewed = table(world), table(world)
    after = applied(world, history)
    assert followed.update(history) == renewed.reset(snapshot(after))
    assert followed.leases == renewed.leases == after


@given(worlds, changes)
def test_what_is_told_leads_from_what_was_known_to_what_is(world: dict[Subnet, Lease], history: list[Change]) -> None:
    followed = table(world)
    told = followed.update(history)
    assert said(applied(world, told)) == said(followed.leases)
    assert len({change.lease.subnet for change in told}) == len(told)
    assert all(
        said(world).get(each.lease.subnet) != (each.lease.attributes, each.lease.reserved)
        for each in told
        if each.kind == "put"
    )


@given(worlds, changes, st.integers(0, 12))
def test_it_does_not_matter_when_a_watch_breaks(world: dict[Subnet, Lease], history: list[Change], place: int) -> None:
    broken, whole = table(world), table(world)
    before, after = whole.update(history[:place]), whole.update(history[place:])
    told = broken.reset(snapshot(applied(world, history)))
    assert broken.leases == whole.leases
    assert said(applied(world, told)) == said(applied(world, [*before, *after]))


@given(worlds)
def test_the_same_world_again_says_nothing(world: dict[Subnet, Lease]) -> None:
    known = table(world)
    assert known.reset(snapshot(world)) == ()
    assert known.update([Change("put", lease) for lease in world.values()]) == ()


@given(worlds)
def test_what_a_store_holds_is_read_as_it_was_written(world: dict[Subnet, Lease]) -> None:
    entries = [
        Entry(lease.subnet.key, encode_attributes(lease.attributes), lease.revision, lease.reserved, lease.expires)
        for lease in world.values()
    ]
    read = take_snapshot(entries, 7)
    assert (dict(zip(sorted(world), read.leases, strict=True)), read.revision, read.unreadable) == (world, 7, ())
