"""What this process did itself, so that the kernel's notices of it wake nobody.

The kernel says with a route who asked for it; with an FDB entry, a neighbour's end, and all that follows from a device, it does
not. So what was done last to each of these is remembered, and a notice that says no more than that is an echo.
"""

from __future__ import annotations

import threading
from typing import Final, TypeAlias

from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, Operation, Route, VxlanDevice

_Key: TypeAlias = tuple[type[Entry], str, object]


class OwnWrites:
    """What the writing thread did last to each thing, for the listening thread.

    Attributes:
        lock: held while a device is made or deleted, as that takes several steps.
    """

    def __init__(self) -> None:
        self.lock: Final = threading.RLock()
        self._listened = False
        self._last: dict[_Key, Entry | None] = {}
        self._ended: set[int] = set()

    def listen(self) -> None:
        """Remember from now on, since somebody listens."""
        self._listened = True

    def note(self, operation: Operation) -> None:
        """Remember what is about to be done; a route needs none of it."""
        if self._listened and not isinstance(operation.entry, Route):
            self._last[_key(operation.entry)] = operation.entry if operation.put else None

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

    def is_echo(self, entry: Entry, *, there: bool) -> bool:
        """Tell whether a notice that something is there, or no longer, says what this process did last."""
        key = _key(entry)
        if key not in self._last:
            return False
        last = self._last[key]
        if there:
            return last == entry
        if last is None:
            del self._last[key]
        return last is None


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
