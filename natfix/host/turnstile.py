"""One natfix at a time: a lock on a file, which the kernel frees when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from natfix.app.change_ports import Turnstile
from natfix.errors import BusyError, HostError
from natfix.host.refusals import refusal

_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PAUSE: Final = 0.02
_MAX_COMMAND: Final = 300


class HostTurnstile(Turnstile):
    """A lock (flock) on a file that names its holder, and is never removed: who waits, waits for the same file.

    Args:
        path: the file; made for its owner alone.
        timeout: seconds to wait for another natfix.
    """

    def __init__(self, path: str = "/run/natfix.lock", timeout: float = 10.0) -> None:
        self._path = path
        self._timeout = timeout

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Be the only natfix that changes something, until the context ends or the process dies.

        A program started meanwhile does not inherit the lock.

        Raises:
            BusyError: somebody else was at work for too long; the message tells who (pid, command).
            HostError: the lock's file cannot be opened.
        """
        file = self._open()
        try:
            self._wait(file)
            _sign(file)
            try:
                yield
            finally:
                os.ftruncate(file, 0)
        finally:
            os.close(file)

    def _open(self) -> int:
        try:
            file = os.open(self._path, _OPEN, 0o600)
        except OSError as error:
            raise refusal("lock", self._path, error) from error
        if stat.S_ISREG(os.fstat(file).st_mode):
            return file
        os.close(file)
        raise HostError(f"cannot lock {self._path}: it is no file", hint="Remove it; natfix makes it again.")

    def _wait(self, file: int) -> None:
        end = time.monotonic() + self._timeout
        while not _locked(file):
            if time.monotonic() >= end:
                raise BusyError(
                    f"another natfix is at work: {_holder(file)}; waited {self._timeout:g} s for {self._path}",
                    hint="Try again when it is done.",
                )
            time.sleep(_PAUSE)


def _locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(file: int) -> None:
    """Write who holds the lock: its pid and its command line; on a full disk who waits does not see it, and no more."""
    command = _own_command()[:_MAX_COMMAND]
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()} {command}\n".encode("utf-8", "surrogateescape"), 0)


def _own_command() -> str:
    with contextlib.suppress(OSError):
        return os.fsdecode(Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ")).strip()
    return "natfix"


def _holder(file: int) -> str:
    """Who signed the file; it may have been signed by one that is gone, when the next one has not yet signed."""
    text = os.pread(file, 2 * _MAX_COMMAND, 0).decode("utf-8", "replace").strip()
    pid, _, command = text.partition(" ")
    return f"process {pid}, {command}" if pid.isdigit() else "a process that did not say which"
