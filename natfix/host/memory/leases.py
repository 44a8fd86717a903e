"""The in-memory twin of where leases live, with the faults that a real one has."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from natfix.app.node.ports import LeaseStore, LeaseWatch
from natfix.app.ports import Clock
from natfix.errors import ConflictError, HostError
from natfix.host.memory.clock import MemoryClock
from natfix.routing.lease import Attributes, Change, Lease, Snapshot
from natfix.routing.subnet import Subnet

UNREACHABLE: Final = "no endpoint of the lease store answers"
_NOBODY: Final = Attributes()


class MemoryLeaseStore(LeaseStore):
    """A store in this object, for any number of agents in threads; see LeaseStore.

    Args:
        config: the network's configuration.
        clock: what leases expire by; a test that moves it on calls ``elapse`` here, or another request comes by.

    Attributes:
        unreachable: why no endpoint answers; None when they do. Set by ``go_away`` and ``come_back``.
        swallowed: how many of the next writes are made without an answer, as when the connection breaks in between.
        unreadable: entries that are no leases; a test puts them there.
        subnet_of_host: what ``assigned`` tells.
        requests: how many there were, watches included.
    """

    def __init__(self, config: str | None = None, *, clock: Clock | None = None) -> None:
        self.unreachable: str | None = None
        self.swallowed = 0
        self.unreadable: tuple[str, ...] = ()
        self.subnet_of_host: Subnet | None = None
        self.requests = 0
        self.changed = threading.Condition(threading.RLock())
        self.clock = clock or MemoryClock()
        self._config = config
        self._leases: dict[Subnet, Lease] = {}
        self._log: list[tuple[int, Change]] = []
        self._revision = 1
        self._forgotten = 0
        self._connections = 0

    def config(self) -> str | None:
        """Read the network's configuration."""
        with self._request():
            return self._config

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*."""
        with self._request():
            if self._config != expected:
                raise ConflictError("somebody else has written another configuration meanwhile; nothing was changed")
            self._config = text
            self._revision += 1
            self._answer()

    def assigned(self) -> Subnet | None:
        """Tell what a test says."""
        return self.subnet_of_host

    def snapshot(self, *, expiry: bool = False) -> Snapshot:
        """Give all leases, with their expiry only if it is asked for."""
        with self._request():
            leases = self._leases.values() if expiry else (replace(one, expires=None) for one in self._leases.values())
            return Snapshot(tuple(sorted(leases, key=lambda one: one.subnet)), self._revision, self.unreadable)

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:
        """Take a free subnet."""
        with self._request():
            return self._add(Lease(subnet, attributes, expires=self._now() + seconds))

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:
        """Hold a lease on from now; a reservation stays one."""
        with self._request():
            held = self._held(lease)
            return self._put(
                replace(held, attributes=attributes, expires=None if held.reserved else self._now() + seconds),
            )

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:
        """Keep a subnet from being leased."""
        with self._request():
            return self._add(Lease(subnet, attributes, reserved=True))

    def release(self, lease: Lease) -> None:
        """Let a lease or a reservation go."""
        with self._request():
            self._drop(self._held(lease))
            self._answer()

    def watch(self, revision: int) -> MemoryLeaseWatch:
        """Hear of every change after *revision*."""
        return MemoryLeaseWatch(self, revision)

    def go_away(self, why: str = UNREACHABLE) -> None:
        """Answer nothing from now on; watches end with an error."""
        with self.changed:
            self.unreachable = why
            self.break_watches()

    def come_back(self) -> None:
        """Answer again."""
        with self.changed:
            self.unreachable = None

    def break_watches(self) -> None:
        """End all watches with an error, as an endpoint that restarts."""
        with self.changed:
            self._connections += 1
            self.changed.notify_all()

    def compact(self) -> None:
        """Forget what led to the present state: a watch that has not heard of it by now never will."""
        with self.changed:
            self._forgotten = self._revision
            self._log.clear()
            self.changed.notify_all()

    def lose_data(self) -> None:
        """Forget everything and count revisions from the beginning, as a server whose disk was replaced."""
        with self.changed:
            self._config = None
            self._leases.clear()
            self._log.clear()
            self._revision, self._forgotten = 1, 0
            self.break_watches()

    def elapse(self, seconds: float) -> None:
        """Let time go by, if the clock is a twin, and leases expire."""
        with self.changed:
            if isinstance(self.clock, MemoryClock):
                self.clock.advance(seconds)
            self._expire()

    def news(self, position: int, connection: int) -> tuple[int, tuple[Change, ...]]:
        """Give what came after *position*, and the position it leads to; call it with ``changed`` held."""
        if self.unreachable or connection != self._connections:
            raise HostError(f"the watch on leases broke: {self.unreachable or 'the connection was closed'}")
        if position < self._forgotten:
            raise ConflictError(f"the lease store has forgotten what came after revision {position}")
        if position > self._revision:
            raise ConflictError(f"the lease store has not come to revision {position}: its data was replaced")
        return self._revision, tuple(change for revision, change in self._log if revision > position)

    def connect(self) -> int:
        """Begin a watch; tell the connection it has."""
        with self._request():
            return self._connections

    @contextmanager
    def _request(self) -> Iterator[None]:
        """Meet the fault that a test has put here, let expire what must, and answer one request after the other."""
        with self.changed:
            self.requests += 1
            if self.unreachable:
                raise HostError(self.unreachable)
            self._expire()
            yield

    def _answer(self) -> None:
        self.changed.notify_all()
        if self.swallowed:
            self.swallowed -= 1
            raise HostError("the connection to the lease store broke before it answered")

    def _now(self) -> float:
        return self.clock.now().timestamp()

    def _expire(self) -> None:
        for lease in [one for one in self._leases.values() if one.expires is not None and one.expires <= self._now()]:
            self._drop(lease)
        self.changed.notify_all()

    def _held(self, lease: Lease) -> Lease:
        held = self._leases.get(lease.subnet)
        if held is None or held.revision != lease.revision:
            raise ConflictError(f"the lease of {lease.subnet} is gone or another's; nothing was changed")
        return held

    def _add(self, lease: Lease) -> Lease:
        if lease.subnet in self._leases:
            raise ConflictError(f"somebody holds {lease.subnet} already; nothing was changed")
        return self._put(lease)

    def _put(self, lease: Lease) -> Lease:
        self._revision += 1
        stored = replace(lease, revision=self._revision)
        self._leases[lease.subnet] = stored
        self._log.append((self._revision, Change("put", replace(stored, expires=None))))
        self._answer()
        return stored

    def _drop(self, lease: Lease) -> None:
        self._revision += 1
        del self._leases[lease.subnet]
        self._log.append((self._revision, Change("gone", Lease(lease.subnet, revision=self._revision))))


class MemoryLeaseWatch(LeaseWatch):
    """Changes of the twin, from another thread; see LeaseWatch."""

    def __init__(self, store: MemoryLeaseStore, revision: int) -> None:
        self._store = store
        self._position = revision
        self._closed = False

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Say that the store is there, then wait for changes."""
        connection = self._store.connect()
        changes: tuple[Change, ...] = ()
        while not self._closed:
            yield changes
            changes = self._wait(lambda: self._store.news(self._position, connection))

    def close(self) -> None:
        """End the waiting."""
        with self._store.changed:
            self._closed = True
            self._store.changed.notify_all()

    def _wait(self, news: Callable[[], tuple[int, tuple[Change, ...]]]) -> tuple[Change, ...]:
        with self._store.changed:
            while not self._closed:
                self._position, changes = news()
                if changes:
                    return changes
                self._store.changed.wait()
        return ()
