"""Who wrote: what /proc tells of a process while it lives, which is long enough, for its event comes before it ends."""

from __future__ import annotations

import os
from typing import Final

from natfix.app.watch_ports import Writer

_LONGEST: Final = 200


def writer(pid: int, command: str = "", proc: str = "/proc") -> Writer:
    """Describe a process; of one that has ended, or lives in another pid namespace, no more than its event told.

    Args:
        pid: as the kernel told it, which counts in its first pid namespace.
        command: the kernel's short name of it; a process of another name has only the same number.
        proc: where procfs is mounted.
    """
    found = _read(f"{proc}/{pid}/comm").rstrip("\n")
    if not found or (command and found != command):
        return Writer(pid, command)
    parent = _parent(_read(f"{proc}/{pid}/stat"))
    told = _arguments(f"{proc}/{parent}/cmdline") if parent > 1 else ""
    return Writer(pid, found, _arguments(f"{proc}/{pid}/cmdline"), parent if told else 0, told)


def lock_holder(path: str, locks: str = "/proc/locks") -> int | None:
    """Tell the pid of who holds a lock on a file; None when nobody does, or it cannot be told."""
    try:
        about = os.stat(path)  # noqa: PTH116
    except OSError:
        return None
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    for line in _read(locks).splitlines():
        # 1: FLOCK  ADVISORY  WRITE 11023 fe:00:16637956 0 EOF; one who waits has an arrow in the second column.
        fields = line.split()
        if place in fields and fields[1] == "FLOCK" and int(fields[4]) > 0:
            return int(fields[4])
    return None


def _parent(stat: str) -> int:
    fields = stat.rpartition(")")[2].split()
    return int(fields[1]) if len(fields) > 1 else 0


def _arguments(path: str) -> str:
    return _read(path).replace("\0", " ").strip()[:_LONGEST]


def _read(path: str) -> str:
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123  (this runs before a correction)
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
