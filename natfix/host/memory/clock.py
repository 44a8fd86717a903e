"""Twins of what happens in time: the clock, one natfix at a time, the watchdog."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from natfix.app.change_ports import Turnstile, Watchdog
from natfix.app.ports import Clock
from natfix.errors import BusyError

_START: Final = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryClock(Clock):
    """A clock that stands still until it is told to go on.

    Args:
        start: the time it shows first.
    """

    def __init__(self, start: datetime = _START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time it shows."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._now += timedelta(seconds=seconds)


class MemoryTurnstile(Turnstile):
    """Lets one through at a time, and nobody wait.

    Attributes:
        holder: who is at work; a test puts somebody else there, and None is nobody.
    """

    def __init__(self, holder: str | None = None) -> None:
        self.holder = holder

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only natfix that changes something, until the context ends.

        Raises:
            BusyError: somebody is at work.
        """
        if self.holder is not None:
            raise BusyError(f"another natfix is at work: {self.holder}", hint="Try again when it is done.")
        self.holder = "this natfix"
        try:
            yield
        finally:
            self.holder = None


class MemoryWatchdog(Watchdog):
    """Undoes when a test says that time has gone by.

    Args:
        undo: undoes a change unless it was confirmed, as the command of the real one does.
        login: the login that everything comes from; a test changes it to log in anew.

    Attributes:
        armed: for each change the seconds until it is undone.
        login: see above.
    """

    def __init__(self, undo: Callable[[str], None] | None = None, login: str = "login 1") -> None:
        self.armed: dict[str, float] = {}
        self.login = login
        self._undo = undo

    def arm(self, change: str, seconds: float) -> None:
        """Remember to undo *change*."""
        self.armed[change] = seconds

    def session(self) -> str:
        """The login."""
        return self.login

    def elapse(self, seconds: float) -> None:
        """Let time go by, and undo what is due."""
        left = {change: remaining - seconds for change, remaining in self.armed.items()}
        self.armed = {change: remaining for change, remaining in left.items() if remaining > 0}
        for change in left.keys() - self.armed.keys():
            if self._undo:
                self._undo(change)
