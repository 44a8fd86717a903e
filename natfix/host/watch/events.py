"""Everything the watcher waits for, behind one selector: no thread, no polling."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from types import FrameType
from typing import Final, Protocol

from natfix.app.ports import RulesetStore
from natfix.app.watch_ports import ChangeEvents, Event, Reason
from natfix.host.watch.file_events import FileListener
from natfix.host.watch.nft_events import NftListener

_SIGNALS: Final[dict[int, Reason]] = {signal.SIGHUP: "reload", signal.SIGTERM: "stop", signal.SIGINT: "stop"}


class Listener(Protocol):
    """Something with a handle that tells events."""

    def fileno(self) -> int:
        """The handle to wait on."""
        ...

    def read(self) -> Iterator[Event]:
        """Give what was heard, without waiting."""
        ...

    def close(self) -> None:
        """Hear no more."""
        ...


class SignalListener:
    """Makes events of the signals that ask a daemon to end or to read its settings again.

    They wake the selector by way of a pipe (signal.set_wakeup_fd), so that none is lost between a look and the next wait, and
    none interrupts a correction.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._old_wakeup = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, _nothing) for number in _SIGNALS}

    def fileno(self) -> int:
        """The handle to wait on."""
        return self._reader

    def read(self) -> Iterator[Event]:
        """Give the signals that came, without waiting."""
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._reader, 1 << 10):
                if number in _SIGNALS:
                    yield Event(_SIGNALS[number], time.monotonic())

    def close(self) -> None:
        """Give the signals back."""
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        os.close(self._reader)
        os.close(self._writer)


class HostEvents(ChangeEvents):
    """What several listeners hear.

    Args:
        listeners: whom it asks.
    """

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = tuple(listeners)
        self._selector = selectors.DefaultSelector()
        for listener in self._listeners:
            self._selector.register(listener.fileno(), selectors.EVENT_READ, listener)

    def wait(self, seconds: float) -> Sequence[Event]:
        """Sleep until something happens, or for *seconds*; give what happened."""
        ready = self._selector.select(max(seconds, 0))
        return [event for key, _ in ready for event in key.data.read()]

    def drain(self) -> Sequence[Event]:
        """Give what has happened since, without waiting."""
        return [event for listener in self._listeners for event in listener.read()]

    def close(self) -> None:
        """Wait for nothing any more; the listeners are their owner's."""
        self._selector.close()


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """Let the signal be told by the pipe alone."""


@contextlib.contextmanager
def open_events(usable: Iterable[RulesetStore], own: Collection[int] = (), buffer: int = 0) -> Iterator[HostEvents]:
    """Listen to everything that can change the rules of *usable*, and to the user's signals.

    Args:
        usable: the stores of every backend whose programs are installed; listening to nftables where nobody has its programs
            would load its module.
        own: pids of natfix's own programs.
        buffer: bytes of the receive buffer for nftables; 0 is the system's default.

    Raises:
        HostError: no rights, or the kernel does not tell.
    """
    with contextlib.ExitStack() as stack:
        listeners: list[Listener] = [SignalListener(), FileListener()]
        for listener in listeners:
            stack.callback(listener.close)
        if any(store.backend.variant == "nft" for store in usable):
            listeners.append(NftListener(own, buffer))
            stack.callback(listeners[-1].close)
        events = HostEvents(listeners)
        stack.callback(events.close)
        yield events
