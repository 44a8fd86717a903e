"""Twins of what the watcher needs: events, tables, and whom it tells."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from natfix.app.ports import Backend, Variant
from natfix.app.watch_ports import (
    ChangeEvents,
    Chronicle,
    Entry,
    Event,
    Notifier,
    WatchedStore,
    WatchedTables,
)
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.ruleset import Ruleset


class MemoryTime:
    """A clock that goes on when somebody sleeps or works.

    Attributes:
        now: the time it shows, in seconds.
    """

    def __init__(self, now: float = 100.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time it shows."""
        return self.now


class MemoryEvents(ChangeEvents):
    """Events that a test plans, each for a moment; when there are none left, the user says stop.

    Args:
        time: goes on to the next event, or by the time that somebody waits.
        until: when the user says stop.

    Attributes:
        waits: how long each wait took.
    """

    def __init__(self, time: MemoryTime, until: float) -> None:
        self._time = time
        self._until = until
        self._planned: list[tuple[float, Callable[[], Event]]] = []
        self.waits: list[float] = []

    def plan(self, at: float, happens: Callable[[], Event]) -> None:
        """Let *happens* change something at *at*, and be told."""
        self._planned.append((at, happens))
        self._planned.sort(key=lambda each: each[0])

    def wait(self, seconds: float) -> Sequence[Event]:
        """Let time go on to the next event, but by no more than *seconds*."""
        start = self._time.now
        following = self._planned[0][0] if self._planned else self._until
        self._time.now = max(start, min(following, start + seconds, self._until))
        self.waits.append(self._time.now - start)
        return (*self.drain(), *([Event("stop", self._time.now)] if self._time.now >= self._until else []))

    def drain(self) -> Sequence[Event]:
        """Let happen what is due, and tell it."""
        told = []
        while self._planned and self._planned[0][0] <= self._time.now:
            told.append(self._planned.pop(0)[1]())
        return told


class MemoryWatchedStore(MemoryRulesetStore):
    """A nat table that lives in this object, with a generation that each commit raises; see WatchedStore.

    Args:
        backend: the one it plays.
        text: what iptables-save would print of its nat table.

    Attributes:
        generation: see above.
        reads: how often it was looked at.
        rehearsals: the scripts that were rehearsed.
        unproved: what a rehearsal says that cannot be made.
        commits: the scripts that natfix committed.
        before_commit: called before each commit; a test lets somebody else write then, or raises.
    """

    def __init__(self, backend: Backend, text: str = "") -> None:
        super().__init__(backend, text)
        self.generation = 1
        self.reads = 0
        self.rehearsals: list[str] = []
        self.unproved = ""
        self.commits: list[str] = []
        self.before_commit: Callable[[], object] = lambda: None

    def stamp(self) -> int | None:
        """Its generation."""
        return self.generation

    def read(self) -> Ruleset:
        """Read it, and count that."""
        self.reads += 1
        return super().read()

    def rehearse(self, script: str) -> str:
        """Rehearse, and remember that."""
        said = super().rehearse(script)
        self.rehearsals.append(script)
        return said or self.unproved

    def commit(self, script: str) -> None:
        """Commit, and remember that."""
        self.before_commit()
        self.change(script)
        self.commits.append(script)

    def change(self, script: str) -> None:
        """Let somebody else commit."""
        super().commit(script)
        self.generation += 1


class MemoryTables(WatchedTables):
    """Nat tables that a test puts there.

    Attributes:
        stores: those there are now.
    """

    def __init__(self, *stores: WatchedStore) -> None:
        self.stores = list(stores)

    def active(self, variants: Collection[Variant] = ("nft", "legacy")) -> Iterator[WatchedStore]:
        """Those there are now."""
        return (store for store in self.stores if store.backend.variant in variants)


class MemoryChronicle(Chronicle):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def tell(self, entry: Entry) -> None:
        """Remember one entry."""
        self.entries.append(entry)

    def told(self, what: str) -> list[Entry]:
        """The entries of one kind."""
        return [entry for entry in self.entries if entry.what == what]


class MemoryNotifier(Notifier):
    """A service manager that remembers.

    Args:
        patience: seconds after which it takes natfix for dead.
    """

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self.told: list[str] = []

    @property
    def patience(self) -> float | None:
        """Seconds after which it takes natfix for dead."""
        return self._patience

    def ready(self, status: str) -> None:
        """Remember it."""
        self.told.append(f"ready: {status}")

    def status(self, status: str) -> None:
        """Remember it."""
        self.told.append(f"status: {status}")

    def reloading(self) -> None:
        """Remember it."""
        self.told.append("reloading")

    def alive(self) -> None:
        """Remember it."""
        self.told.append("alive")

    def stopping(self) -> None:
        """Remember it."""
        self.told.append("stopping")
