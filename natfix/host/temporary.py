"""The file beside a file, in which its next content is written: ``.NAME.natfix-XXXXXXXX``, X a hexadecimal digit.

Its writer holds a lock on it (flock). So a temporary file without one was left by a natfix that was killed.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Self

_RANDOM_BYTES: Final = 4
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ACCESS_LIST: Final = "system.posix_acl_access"
# Who may do what. Not security.ima and security.evm: they vouch for the old content.
_LABELS: Final = ("security.selinux", "security.SMACK64", _ACCESS_LIST)
_NO_LABEL: Final = {errno.ENODATA, errno.ENOTSUP}


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a file keeps when its content is replaced.

    Attributes:
        mode: its permission bits.
        uid: its owner.
        gid: its group.
        labels: its security labels and access list, by attribute name.
    """

    mode: int
    uid: int
    gid: int
    labels: Mapping[str, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: int, name: str) -> Self | None:
        """Look at the file *name* in an open *folder*; None when there is none.

        Raises:
            OSError: it is no file, a link included, or cannot be opened.
        """
        try:
            file = os.open(name, _OLD, dir_fd=folder)
        except FileNotFoundError:
            return None
        try:
            status = want_file(file)
            found = {label: value for label in _LABELS if (value := _label(file, label)) is not None}
            return cls(stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid, found)
        finally:
            os.close(file)

    def give(self, file: int) -> None:
        """Make an open file look like this.

        Raises:
            OSError: the caller may not.
        """
        status = os.fstat(file)
        if (status.st_uid, status.st_gid) != (self.uid, self.gid):
            os.fchown(file, self.uid, self.gid)
        for label, value in self.labels.items():
            if _label(file, label) != value:
                os.setxattr(file, label, value)
        if _ACCESS_LIST not in self.labels and _label(file, _ACCESS_LIST) is not None:
            # The folder's default access list would let in whom the old file did not.
            os.removexattr(file, _ACCESS_LIST)
        os.fchmod(file, self.mode)


def want_file(file: int) -> os.stat_result:
    """Give the status of an open file.

    Raises:
        OSError: it is a directory, a pipe or a device.
    """
    status = os.fstat(file)
    if stat.S_ISDIR(status.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "it is a pipe, a socket or a device")
    return status


@contextlib.contextmanager
def temporary(folder: int, name: str) -> Iterator[tuple[int, str]]:
    """Make the temporary file of *name*; when the context fails it is removed, else it was renamed.

    Returns:
        The file, open for writing and locked, and its name.
    """
    file, made = _create(folder, name)
    try:
        yield file, made
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made, dir_fd=folder)
        raise
    finally:
        os.close(file)


def remove_leftovers(folder: int, name: str, owners: frozenset[int]) -> None:
    """Remove the temporary files of *name* that nobody holds any more and one of *owners* owns.

    What cannot be removed stays: whether that matters, the writing that follows will tell.
    """
    for found in os.listdir(folder):
        if _is_temporary(found, name):
            with contextlib.suppress(OSError):
                _remove_unless_held(folder, found, owners)


def _create(folder: int, name: str) -> tuple[int, str]:
    while True:
        made = f"{_prefix(name)}{os.urandom(_RANDOM_BYTES).hex()}"
        file = os.open(made, _NEW, 0o600, dir_fd=folder)
        fcntl.flock(file, fcntl.LOCK_EX)
        # Between these two lines another natfix may have found it without a lock, and removed it.
        if os.fstat(file).st_nlink:
            return file, made
        os.close(file)


def _remove_unless_held(folder: int, name: str, owners: frozenset[int]) -> None:
    file = os.open(name, _OLD, dir_fd=folder)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        status = os.fstat(file)
        # Its writer may have renamed it before the lock was ours; then the name is gone and unlink does no harm.
        if stat.S_ISREG(status.st_mode) and status.st_nlink == 1 and status.st_uid in owners:
            os.unlink(name, dir_fd=folder)
    finally:
        os.close(file)


def _is_temporary(found: str, name: str) -> bool:
    prefix = _prefix(name)
    digits = found[len(prefix) :]
    return found.startswith(prefix) and len(digits) == 2 * _RANDOM_BYTES and set(digits) <= set(string.hexdigits)


def _prefix(name: str) -> str:
    return f".{name}.natfix-"


def _label(file: int, name: str) -> bytes | None:
    try:
        return os.getxattr(file, name)
    except OSError as error:
        if error.errno in _NO_LABEL:
            return None
        raise
