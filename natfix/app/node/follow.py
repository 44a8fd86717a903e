"""Listen in threads of their own, and hand everything to the agent: to the lease store, and to the kernel.

The store is read whole each time its watch begins, so that nothing is missed whatever came in between: an outage, a compaction,
a new server with none of the old data.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final, TypeAlias

from natfix.app.node.news import Answered, Away, Changed, Disturbed, News
from natfix.app.node.ports import DataPlane, DataPlaneWatch, Disturbance, LeaseStore, LeaseWatch
from natfix.errors import ConflictError, NatfixError

Tell: TypeAlias = Callable[[News], None]
_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0


class Pauses:
    """Waits between tries: each twice as long as the one before, up to a limit, and no two hosts in step.

    Args:
        chance: gives a number of at least 0 and below 1.
        longest: seconds.
    """

    def __init__(self, chance: Callable[[], float], longest: float = _LONGEST_PAUSE) -> None:
        self._chance = chance
        self._longest = longest
        self._next = _FIRST_PAUSE

    def next(self) -> float:
        """Seconds to wait now."""
        pause, self._next = self._next, min(2 * self._next, self._longest)
        return pause * (0.5 + self._chance())

    def reset(self) -> None:
        """It worked: begin with the shortest again."""
        self._next = _FIRST_PAUSE


class StoreFollower:
    """Tells the agent what happens to leases.

    Args:
        store: where they live.
        tell: hands news over.
        chance: as of Pauses.
        heard: is called each time the store says something, if only that there is nothing new.
    """

    def __init__(
        self, store: LeaseStore, tell: Tell, chance: Callable[[], float], heard: Callable[[], None] = lambda: None
    ) -> None:
        self._store = store
        self._tell = tell
        self._heard = heard
        self._pauses = Pauses(chance)
        self._stopped = threading.Event()
        self._watch: LeaseWatch | None = None

    def run(self) -> None:
        """Follow until closed."""
        while not self._stopped.is_set():
            try:
                self._follow()
            except ConflictError:
                # The store has forgotten what came in between, so it is read whole; a pause, as it may forget all the time.
                pass
            except NatfixError as error:
                if not self._stopped.is_set():
                    self._tell(Away(error))
            self._stopped.wait(self._pauses.next())

    def close(self) -> None:
        """End, from another thread."""
        self._stopped.set()
        watch = self._watch
        if watch is not None:
            watch.close()

    def _follow(self) -> None:
        config = self._store.config()
        snapshot = self._store.snapshot()
        self._watch = self._store.watch(snapshot.revision)
        self._heard()
        self._tell(Answered(snapshot, config))
        if self._stopped.is_set():
            return
        try:
            for changes in self._watch:
                self._pauses.reset()
                self._heard()
                if changes:
                    self._tell(Changed(changes))
        finally:
            self._watch.close()


class PlaneFollower:
    """Tells the agent what others change in the kernel.

    Args:
        plane: the kernel.
        tell: hands news over.
        chance: as of Pauses.
    """

    def __init__(self, plane: DataPlane, tell: Tell, chance: Callable[[], float]) -> None:
        self._plane = plane
        self._tell = tell
        self._pauses = Pauses(chance)
        self._stopped = threading.Event()
        # Opened here, so that nothing is missed between this and the agent's first look.
        self._watch: DataPlaneWatch | None = plane.watch()

    def run(self) -> None:
        """Follow until closed."""
        while not self._stopped.is_set():
            # The look that "lost" asks for fails for the same reason, and that is told.
            with contextlib.suppress(NatfixError):
                self._follow()
            self._stopped.wait(self._pauses.next())

    def close(self) -> None:
        """End, from another thread."""
        self._stopped.set()
        watch = self._watch
        if watch is not None:
            watch.close()

    def _follow(self) -> None:
        if self._watch is None:
            self._watch = self._plane.watch()
            self._tell(Disturbed((Disturbance("lost"),)))
        watch = self._watch
        try:
            for disturbances in watch if not self._stopped.is_set() else ():
                self._pauses.reset()
                self._tell(Disturbed(disturbances))
        finally:
            watch.close()
            self._watch = None
