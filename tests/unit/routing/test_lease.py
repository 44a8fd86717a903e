"""natfix/routing/lease.py: leases, changes and snapshots as values."""

from natfix.routing.lease import Attributes, Change, Lease, Snapshot
from natfix.routing.subnet import Subnet

SUBNET = Subnet.parse_key("172.7.21.0-24")


def test_attributes_with_data_can_be_kept_in_a_set_and_compare_by_all_they_say() -> None:
    one, other = (Attributes(backend_data={"VtepMAC": mac}) for mac in ("c6:d2:32:6f:8f:44", "c6:d2:32:6f:8f:45"))
    assert one != other
    assert len({one, other, Attributes(backend_data={"VtepMAC": "c6:d2:32:6f:8f:44"})}) == 2


def test_a_lease_says_nothing_but_its_subnet_by_default() -> None:
    lease = Lease(SUBNET)
    assert (lease.attributes, lease.revision, lease.reserved, lease.expires) == (Attributes(), 0, False, None)
    assert Change("gone", lease).lease.subnet == SUBNET
    assert Snapshot((lease,), 7).unreadable == ()
