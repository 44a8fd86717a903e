"""Files that tell of rules: the xtables lock, which every legacy iptables opens, and files that go with a program's rules.

iptables-legacy sends no event. But it opens the xtables lock before it reads a table, and closes it when its change is in the
kernel (0.4 ms before the command returns): the first notice tells who it is, the second one when to look. natfix's own reading
opens no lock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from natfix.app.watch_ports import Event, Writer
from natfix.host.watch.inotify import (
    CLOSE_NOWRITE,
    CLOSE_WRITE,
    CREATE,
    DELETE,
    DELETE_SELF,
    IGNORED,
    MOVE_SELF,
    MOVED_FROM,
    MOVED_TO,
    OPEN,
    OVERFLOW,
    Inotify,
    Notice,
)
from natfix.host.watch.writers import lock_holder, writer
from natfix.host.xtables_lock import XTABLES_LOCK

_LET_GO: Final = CLOSE_NOWRITE | CLOSE_WRITE
_GONE: Final = DELETE_SELF | MOVE_SELF | IGNORED
_CAME_OR_WENT: Final = CREATE | MOVED_TO | DELETE | MOVED_FROM

# A file whose coming or going says that rules are about to change, or that the cluster's networks have: by its folder.
HINTS: Final[Mapping[str, Sequence[str]]] = {"/run": ("docker.pid",), "/run/flannel": ("subnet.env",)}


class FileListener:
    """Hears of the xtables lock and of hints. A file or folder that is not there yet is heard of when it comes.

    Args:
        lock: the xtables lock.
        hints: for each folder the names that matter.

    Raises:
        HostError: no files can be watched.
    """

    def __init__(self, lock: str = XTABLES_LOCK, hints: Mapping[str, Sequence[str]] | None = None) -> None:
        self._lock = lock
        self._lock_folder, _, self._lock_name = lock.rpartition("/")
        self._hints = HINTS if hints is None else hints
        self._inotify = Inotify()
        self._folders: dict[int, str] = {}
        self._lock_watch: int | None = None
        self._writer: Writer | None = None
        self._watch_all()

    def fileno(self) -> int:
        """The handle to wait on."""
        return self._inotify.fileno()

    def close(self) -> None:
        """Hear no more."""
        self._inotify.close()

    def read(self, clock: Callable[[], float] = time.monotonic) -> Iterator[Event]:
        """Give what was heard, without waiting."""
        for notice in self._inotify.read():
            if notice.mask & OVERFLOW:
                yield Event("overrun", clock())
            elif notice.watch == self._lock_watch:
                yield from self._about_lock(notice, clock())
            elif notice.watch in self._folders:
                yield from self._about_folder(notice, clock())

    def _about_lock(self, notice: Notice, now: float) -> Iterator[Event]:
        if notice.mask & OPEN:
            holder = lock_holder(self._lock)
            self._writer = writer(holder) if holder not in {None, os.getpid()} and holder else self._writer
        if notice.mask & _LET_GO:
            who, self._writer = self._writer, None
            yield Event("lock", now, "legacy", writer=who)
        if notice.mask & _GONE:
            self._lock_watch = None
            self._watch_all()

    def _about_folder(self, notice: Notice, now: float) -> Iterator[Event]:
        folder = self._folders[notice.watch]
        path = f"{folder}/{notice.name}"
        if notice.mask & IGNORED:
            del self._folders[notice.watch]
        if path == self._lock:
            if not notice.mask & (CREATE | MOVED_TO):
                return
            self._watch_all()
            # Whoever made it may have changed rules before it was watched.
            yield Event("lock", now, "legacy")
        elif path in self._hints:
            self._watch_all()
            yield Event("hint", now, detail=path)
        elif notice.name in self._hints.get(folder, ()):
            yield Event("hint", now, detail=path)

    def _watch_all(self) -> None:
        self._lock_watch = self._inotify.add(self._lock, OPEN | _LET_GO | DELETE_SELF | MOVE_SELF)
        for folder in {self._lock_folder, *self._hints}:
            # The lock's own folder is /run, in which natfix and many others write files that matter to nobody here.
            written = 0 if folder == self._lock_folder else CLOSE_WRITE
            number = self._inotify.add(folder, _CAME_OR_WENT | written)
            if number is not None:
                self._folders[number] = folder
