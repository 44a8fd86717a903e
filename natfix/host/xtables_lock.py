"""The xtables lock: one flock on one file, which every legacy iptables since 1.6.0 takes before it changes a table."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from natfix.errors import BusyError, HostError

XTABLES_LOCK = "/run/xtables.lock"

_PAUSE = 0.02


@contextmanager
def hold(path: str, seconds: float) -> Iterator[None]:
    """Hold the lock until the context ends; the kernel lets it go when the process dies.

    Raises:
        BusyError: somebody else held it for *seconds*.
        HostError: the file cannot be opened.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise HostError(f"the xtables lock {path} cannot be opened: {error.strerror}") from error
    try:
        _wait(handle, path, seconds)
        yield
    finally:
        os.close(handle)


def busy(path: str, seconds: float) -> BusyError:
    """Make the error that names who holds the lock now."""
    return BusyError(
        f"the xtables lock {path} was not free within {seconds:g} s; {holder(path)}; nothing was changed",
        hint="Try again when it has ended.",
    )


def holder(path: str) -> str:
    """Say who holds the lock, by /proc/locks: ``held by pid 123: flock /run/xtables.lock sleep 6``."""
    try:
        about = os.stat(path)  # noqa: PTH116  (pathlib costs 10 ms)
        with open("/proc/locks", encoding="ascii") as locks:  # noqa: PTH123
            fields = [line.split() for line in locks]
    except OSError:
        return "its holder is unknown"
    place = f"{os.major(about.st_dev):02x}:{os.minor(about.st_dev):02x}:{about.st_ino}"
    # 1: FLOCK  ADVISORY  WRITE 11023 fe:00:16637956 0 EOF; one who waits has an arrow in the second column.
    pids = [field[4] for field in fields if field[1] == "FLOCK" and place in field]
    return f"held by pid {pids[0]}{_command(pids[0])}" if pids else "its holder is unknown"


def _command(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            words = file.read().split(b"\0")
    except OSError:
        return ", which has ended and left it to a child"
    return ": " + b" ".join(words).decode("utf-8", "replace").strip()


def _wait(handle: int, path: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise busy(path, seconds) from None
            time.sleep(_PAUSE)
        else:
            return
