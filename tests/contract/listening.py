"""Waiting for what a watch tells, in a thread of its own."""

import threading
import time
from collections.abc import Callable
from queue import Queue
from types import TracebackType
from typing import Self

from natfix.app.node.ports import LeaseStore
from natfix.errors import NatfixError
from natfix.routing.lease import Change

PATIENCE = 60


class Listener:
    """Hears a watch from when it is there until it ends or is closed."""

    def __init__(self, store: LeaseStore, revision: int) -> None:
        self.watch = store.watch(revision)
        self.heard: Queue[tuple[Change, ...] | NatfixError | None] = Queue()
        self.thread = threading.Thread(target=self._listen)
        self.thread.start()

    def _listen(self) -> None:
        try:
            for changes in self.watch:
                self.heard.put(tuple(changes))
        except NatfixError as error:
            self.heard.put(error)
        else:
            self.heard.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.watch.close()
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()

    def established(self) -> None:
        """Wait until the store has said that it is there."""
        assert self.heard.get(timeout=PATIENCE) == ()

    def changes(self, number: int) -> tuple[Change, ...]:
        """Wait for so many changes."""
        found: tuple[Change, ...] = ()
        while len(found) < number:
            told = self.heard.get(timeout=PATIENCE)
            assert isinstance(told, tuple), told
            found += told
        assert len(found) == number
        return found

    def end(self) -> NatfixError | None:
        """Wait for the end; the error that it ended with."""
        while True:
            told = self.heard.get(timeout=PATIENCE)
            if not isinstance(told, tuple):
                return told


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
