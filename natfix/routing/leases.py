"""Everybody's leases as they are now, and what became of them: one reducer for snapshots and for changes.

A snapshot and the changes that lead to the same world give the same answer, attribute changes included; so a watch that broke
needs no more than a snapshot. flannel compares no attributes after a gap, and reports the host's own lease as gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Literal

from natfix.routing.lease import Change, Lease, Snapshot
from natfix.routing.subnet import Subnet


class LeaseTable:
    """The leases of all hosts, this one's and reservations included.

    Attributes:
        leases: by subnet, with the store's revisions, for reading.
        revision: of the last snapshot; 0 before the first.
    """

    def __init__(self) -> None:
        self._leases: dict[Subnet, Lease] = {}
        self.leases: Mapping[Subnet, Lease] = MappingProxyType(self._leases)
        self.revision = 0

    def reset(self, snapshot: Snapshot) -> tuple[Change, ...]:
        """Take over a snapshot.

        Returns:
            As update.
        """
        self.revision = snapshot.revision
        now = {lease.subnet: lease for lease in snapshot.leases}
        return self._become({**dict.fromkeys(self._leases), **now})

    def update(self, changes: Iterable[Change]) -> tuple[Change, ...]:
        """Take over what a store tells, in its order.

        Returns:
            What is different from before: first what is gone, as it was known, then what is new or says something else,
            each sorted by subnet. A renewal changes revision and expiry alone and is none.
        """
        return self._become({change.lease.subnet: change.lease if change.kind == "put" else None for change in changes})

    def _become(self, now: Mapping[Subnet, Lease | None]) -> tuple[Change, ...]:
        gone, put = [], []
        for subnet, lease in now.items():
            before = self._leases.get(subnet)
            if lease is None:
                if before is not None:
                    del self._leases[subnet]
                    gone.append(before)
            else:
                self._leases[subnet] = lease
                if before is None or _said(before) != _said(lease):
                    put.append(lease)
        return (*_changes("gone", gone), *_changes("put", put))


def _said(lease: Lease) -> tuple[object, bool]:
    return lease.attributes, lease.reserved


def _changes(kind: Literal["put", "gone"], leases: list[Lease]) -> Iterable[Change]:
    return (Change(kind, lease) for lease in sorted(leases, key=lambda one: one.subnet.place))
