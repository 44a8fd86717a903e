"""Changes of a file of leases, as the kernel tells of them."""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from natfix.app.node.ports import LeaseWatch
from natfix.errors import ConflictError, HostError
from natfix.host.stores.file_text import Edition
from natfix.host.watch.inotify import CLOSE_WRITE, CREATE, DELETE, MOVED_FROM, MOVED_TO, Inotify
from natfix.routing.lease import Change, Lease, Snapshot

# What ends in another text: written, replaced, gone, or a link that leads elsewhere now.
_CHANGES: Final = CLOSE_WRITE | CREATE | DELETE | MOVED_FROM | MOVED_TO
# After so many milliseconds the file is looked at anyway: network file systems tell nothing of what others write.
_IDLE: Final = 30_000


class FileLeaseWatch(LeaseWatch):
    """A watch on the folder of a file; see LeaseWatch.

    Args:
        path: of the file.
        look: reads it.
        known: what is known already; None when nobody remembers.
    """

    def __init__(self, path: str, look: Callable[[], Edition], known: Edition | None) -> None:
        self._path = path
        self._look = look
        self._known = known
        self._woken, self._wake = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Wait for changes."""
        notices = Inotify()
        try:
            folder = os.path.dirname(self._path)  # noqa: PTH120  (pathlib costs start-up time)
            if notices.add(folder, _CHANGES) is None:
                raise HostError(f"the folder of {self._path} cannot be watched", hint="Is it there?")
            if self._known is None:
                raise ConflictError(f"{self._path} was changed before it was watched")
            # What has changed since then comes first.
            known, found = self._known.snapshot(), self._look().snapshot()
            yield ()
            while not self._is_closed():
                if changes := tuple(_changes(known, found)):
                    yield changes
                known = found
                self._wait(notices)
                found = self._look().snapshot()
        finally:
            notices.close()

    def close(self) -> None:
        """End the waiting."""
        if not self._is_closed():
            os.write(self._wake, b"x")

    def __del__(self) -> None:
        os.close(self._woken)
        os.close(self._wake)

    def _is_closed(self) -> bool:
        return bool(select.select([self._woken], [], [], 0)[0])

    def _wait(self, notices: Inotify) -> None:
        """Wait for a change, or until somebody says that it is enough."""
        waiting = select.poll()
        for handle in (self._woken, notices.fileno()):
            waiting.register(handle, select.POLLIN)
        waiting.poll(_IDLE)
        list(notices.read())


def _changes(before: Snapshot, after: Snapshot) -> Iterator[Change]:
    known = {lease.subnet: lease for lease in before.leases}
    found = {lease.subnet: lease for lease in after.leases}
    yield from (Change("gone", Lease(subnet)) for subnet in known if subnet not in found)
    yield from (Change("put", lease) for subnet, lease in found.items() if known.get(subnet) != lease)
