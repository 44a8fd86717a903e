"""Hold this host's lease: renew it in time, take it again when it was lost, and see when somebody else holds it.

What writes to the store is an errand, done by a thread of its own: the store may take its time to answer, and the data plane
is looked after meanwhile::

    held ──margin before the end──► errand ──► held
      ├──gone, or written by others──► errand ──► held, or another host's: the agent ends
      └──the errand fails──► held on the data plane, tried again after a second, two, … a minute
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConflictError, HostError, NatfixError
from natfix.routing.lease import Attributes, Lease

LEASE_SECONDS: Final = 86400.0
_TRIES: Final = 5
_LONGEST_PAUSE: Final = 60.0
# Two hosts that both believe a lease to be theirs write it at this pace, not as fast as they can.
_RIVAL_PAUSE: Final = 60.0


@dataclass(frozen=True, slots=True)
class Held:
    """The lease as it is held now.

    Attributes:
        lease: it, at its newest revision.
        how: ``renewed`` as it was, ``adopted`` after somebody else had written it, ``retaken`` after it was gone.
    """

    lease: Lease
    how: Literal["renewed", "adopted", "retaken"]


Errand: TypeAlias = Callable[[], Held]


def hold(store: LeaseStore, lease: Lease, attributes: Attributes) -> Held:
    """Renew a lease with *attributes*; take the same subnet again when it is gone.

    Raises:
        ConflictError: another host holds it.
        HostError: the store does not answer.
    """
    known, how = lease, "renewed"
    for _ in range(_TRIES):
        try:
            renewed = store.renew(known, attributes, seconds=LEASE_SECONDS)
        except ConflictError:
            found = overlapping(store.snapshot().leases, lease)
        else:
            return Held(renewed, "renewed" if how == "renewed" else "adopted")
        if found is None:
            try:
                return Held(store.create(lease.subnet, attributes, seconds=LEASE_SECONDS), "retaken")
            except ConflictError:
                continue
        if found.subnet != lease.subnet or not is_held_by(found, lease.attributes, attributes):
            raise taken(found)
        known, how = found, "adopted"
    raise HostError(f"the lease of {lease.subnet} changes faster than it can be renewed")


def overlapping(leases: Iterable[Lease], lease: Lease) -> Lease | None:
    """The entry of a store that has this lease's subnet, else one that has some of its addresses."""
    found = [one for one in leases if one.subnet.overlaps(lease.subnet)]
    return next((one for one in found if one.subnet == lease.subnet), next(iter(found), None))


def is_held_by(lease: Lease, *hosts: Attributes) -> bool:
    """Whether a lease, or a reservation that names its host, is of one of *hosts*: no public address says otherwise."""
    return any(_agree(lease.attributes, host) for host in hosts)


def _agree(one: Attributes, other: Attributes) -> bool:
    pairs = [(one.public_ip, other.public_ip), (one.public_ipv6, other.public_ipv6)]
    told = [pair for pair in pairs if None not in pair]
    return bool(told) and all(mine == yours for mine, yours in told)


def taken(by: Lease) -> ConflictError:
    """The error that ends the agent: containers here have addresses that belong to another host now."""
    holder = by.attributes.public_ip or by.attributes.public_ipv6
    return ConflictError(
        f"the subnet {by.subnet} of this host is {f'leased to {holder}' if holder else 'reserved'} now",
        hint="Routes and rules are left as they are. Start anew for another subnet, and restart what runs in containers here.",
    )


class Tenancy:
    """This host's lease, as a machine that is told the time (seconds of a clock that never goes back).

    Args:
        store: where it lives.
        lease: as it was taken at the beginning.
        margin: seconds before the end of the lease in which it is renewed.
        now: the time it was taken.
        watched: whether a new revision always means that somebody wrote the lease; not so in Kubernetes, where a node changes
            for many reasons, nor in a file, which has none.
    """

    def __init__(self, store: LeaseStore, lease: Lease, *, margin: float, now: float, watched: bool = True) -> None:
        self.lease = lease
        self.attributes = lease.attributes
        self.rivals = 0
        self._store = store
        self._span = LEASE_SECONDS - margin
        self._due = now + self._span
        self._pause = 0.0
        self._pending = False
        self._heard = 0
        self._missed = False
        self._watched = watched

    def sleep(self, now: float) -> float:
        """Seconds until there is an errand."""
        return max(0.0, self._due - now) if not self._pending else _LONGEST_PAUSE

    def errand(self, now: float) -> Errand | None:
        """What is to be done now, if anything; its outcome is given to ``settle``."""
        if self._pending or now < self._due:
            return None
        self._pending = True
        store, lease, attributes = self._store, self.lease, self.attributes
        return lambda: hold(store, lease, attributes)

    def settle(self, outcome: Held | NatfixError, now: float) -> None:
        """Take note of what an errand did; what failed is tried again after a pause.

        Raises:
            ConflictError: the subnet is another host's.
        """
        self._pending = False
        if isinstance(outcome, ConflictError):
            raise outcome
        if isinstance(outcome, NatfixError):
            self._pause = min(2 * self._pause, _LONGEST_PAUSE) or 1.0
            self._due = now + self._pause
            return
        self.lease, self._pause = outcome.lease, 0.0
        # What was to be told may have changed in between, and the lease may be gone again.
        self._due = now if self._missed or self.attributes != outcome.lease.attributes else now + self._span
        self._missed = False
        if self._watched and self._heard > outcome.lease.revision:
            self.rivals += 1

    def announce(self, attributes: Attributes, now: float) -> None:
        """Tell peers something else from now on."""
        if attributes != self.attributes:
            self.attributes = attributes
            self._due = min(self._due, now)

    def heard(self, found: Lease | None, now: float, *, anew: bool = False) -> bool:
        """The store tells this host's entry, or that there is none; tell whether somebody else wrote it.

        Args:
            found: the entry; None when it is gone.
            now: the time.
            anew: whether it is from a snapshot, and not news of a store that has counted on ever since.
        """
        if found is None:
            self._missed = self._pending
            self._due = min(self._due, now)
            return False
        if not self._is_news(found, anew=anew):
            return False
        self._heard = found.revision
        if self._pending:
            return False
        if is_held_by(found, self.lease.attributes, self.attributes):
            self.rivals += 1
            self.lease = replace(found, expires=self.lease.expires)
            if found.attributes != self.attributes:
                self._due = min(self._due, now + _RIVAL_PAUSE)
        else:
            # The errand finds out whose it is by now, and writes nothing that is another's.
            self._due = min(self._due, now)
        return True

    def seen_again(self, now: float) -> None:
        """The store answers again: an errand that waits need not wait any longer."""
        if self._pause:
            self._pause, self._due = 0.0, now

    def _is_news(self, found: Lease, *, anew: bool) -> bool:
        if not self._watched:
            return self._differs(found)
        older = found.revision < self.lease.revision and not anew
        return not older and found.revision != self.lease.revision

    def _differs(self, found: Lease) -> bool:
        return found.attributes != self.lease.attributes or found.reserved != self.lease.reserved
