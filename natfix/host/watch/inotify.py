"""inotify(7) by way of ctypes: the standard library has none, and the packages that have it poll or start threads."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from natfix.errors import HostError

# linux/inotify.h
CLOSE_WRITE: Final = 0x8
CLOSE_NOWRITE: Final = 0x10
OPEN: Final = 0x20
MOVED_FROM: Final = 0x40
MOVED_TO: Final = 0x80
CREATE: Final = 0x100
DELETE: Final = 0x200
DELETE_SELF: Final = 0x400
MOVE_SELF: Final = 0x800
OVERFLOW: Final = 0x4000
IGNORED: Final = 0x8000

_HEAD = struct.Struct("iIII")  # struct inotify_event: watch, mask, cookie, length of the name
_BUFFER: Final = 1 << 16
_libc = ctypes.CDLL(None, use_errno=True)


class Notice(NamedTuple):
    """One thing that happened.

    Attributes:
        watch: the number that add() gave; -1 for an overflow.
        mask: what happened.
        name: the file in a watched folder; empty for a watched file.
    """

    watch: int
    mask: int
    name: str


class Inotify:
    """One queue of notices.

    Raises:
        HostError: there are too many of them, or the kernel has none.
    """

    def __init__(self) -> None:
        self._handle = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        if self._handle < 0:
            code = ctypes.get_errno()
            raise HostError(f"no files can be watched: {os.strerror(code)}", hint="See: sysctl fs.inotify.max_user_instances")

    def fileno(self) -> int:
        """The handle to wait on."""
        return self._handle

    def close(self) -> None:
        """End all watches."""
        os.close(self._handle)

    def add(self, path: str, mask: int) -> int | None:
        """Watch a file or folder; give the number of the watch, None when there is none or it may not be watched."""
        number = int(_libc.inotify_add_watch(self._handle, os.fsencode(path), ctypes.c_uint32(mask)))
        return number if number >= 0 else None

    def read(self) -> Iterator[Notice]:
        """Give what has happened, without waiting."""
        while True:
            try:
                data = os.read(self._handle, _BUFFER)
            except BlockingIOError:
                return
            yield from _notices(data)


def _notices(data: bytes) -> Iterator[Notice]:
    position = 0
    while position + _HEAD.size <= len(data):
        watch, mask, _, length = _HEAD.unpack_from(data, position)
        position += _HEAD.size
        yield Notice(watch, mask, os.fsdecode(data[position : position + length].rstrip(b"\0")))
        position += length
