"""What this process did itself, so that the kernel's notices of it wake nobody.

The kernel says with a route who asked for it; with an FDB entry, a neighbour's end, and all that follows from a device, it does
not. So what was done last to each of these is remembered, and a notice that says no more than that is an echo.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

from natfix.errors import HostError
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, Operation, Route, VxlanDevice

_Key: TypeAlias = tuple[type[Entry], str, object]

_REMEMBERED: Final = 20_000


class OwnWrites:
    """What the writing thread did last to each thing, for the listening thread.

    Attributes:
        lock: held while something is done, so that nobody takes a step of it for the end.
    """

    def __init__(self) -> None:
        self.lock: Final = threading.RLock()
        self._listened = False
        self._last: dict[_Key, Entry | None] = {}
        self._deleted: dict[_Key, None] = {}
        self._ended: set[int] = set()

    def listen(self) -> None:
        """Remember from now on, since somebody listens."""
        self._listened = True

    def note(self, operations: Iterable[Operation]) -> None:
        """Remember what is about to be done; a route needs none of it."""
        if self._listened:
            for operation in operations:
                if not isinstance(operation.entry, Route):
                    key = _key(operation.entry)
                    self._last[key] = operation.entry if operation.put else None
                    self._forget(key, deleted=not operation.put)

    def _forget(self, key: _Key, *, deleted: bool) -> None:
        """Remember what was deleted for as long as notices of it may come, not for ever."""
        self._deleted.pop(key, None)
        if deleted:
            self._deleted[key] = None
            if len(self._deleted) > _REMEMBERED:
                oldest = next(iter(self._deleted))
                del self._deleted[oldest], self._last[oldest]

    def end(self, index: int) -> None:
        """Remember that this process takes away the device with that index, and all that is on it."""
        if self._listened:
            self._ended.add(index)

    def ended(self, index: int) -> bool:
        """Whether this process took that device away."""
        return index in self._ended

    def device(self, name: str) -> VxlanDevice | None:
        """The device of that name as this process made it; None if it made none or took it away."""
        device = self._last.get((VxlanDevice, name, None))
        return device if isinstance(device, VxlanDevice) else None

    def is_echo(self, entry: Entry, told: Entry | None, now: Callable[[], Entry | None]) -> bool:
        """Tell whether a thing that a notice speaks of is as this process left it.

        Args:
            entry: it, or what it was.
            told: what it is, as the notice says; None for nothing.
            now: looks what it is, since a notice may be older than what was done last.
        """
        with self.lock:
            key = _key(entry)
            return key in self._last and (told == self._last[key] or _is(self._last[key], now))


def _is(wanted: Entry | None, now: Callable[[], Entry | None]) -> bool:
    try:
        return now() == wanted
    except HostError:  # An old kernel does not tell: better one look too many.
        return False


def _key(entry: Entry) -> _Key:
    match entry:
        case VxlanDevice():
            return VxlanDevice, entry.name, None
        case LinkAddress():
            return LinkAddress, entry.link, entry.address
        case Neighbour():
            return Neighbour, entry.link, entry.address
        case FdbEntry():
            return FdbEntry, entry.link, entry.mac
        case Route():
            return Route, entry.link, (entry.destination, entry.metric)
