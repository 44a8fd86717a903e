"""What the operating system says about a file, in natfix's words: what, where, and what to do."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from natfix.errors import HostError

# For each error number what happened, and what to do; {folder} stands for the folder of the file.
_WORDS: Final = {
    errno.ENOSPC: ("the disk is full", "Free some space; df {folder} shows how much there is."),
    errno.EDQUOT: ("the disk quota is used up", "Free some space, or raise the quota of this user."),
    errno.EROFS: (
        "the file system is read-only",
        "Mount it for writing (mount -o remount,rw), or have what manages this image change the file.",
    ),
    errno.EACCES: ("permission denied", "Run natfix as root; if it is, see what SELinux or AppArmor logged."),
    errno.EPERM: (
        "operation not permitted",
        "Run natfix as root; if it is, lsattr shows whether the file or its folder is immutable.",
    ),
    errno.EISDIR: ("it is a directory", "Name a file."),
    errno.ENOENT: ("its folder {folder} does not exist", "Make the folder first: mkdir -p {folder}"),
    errno.ENOTDIR: ("a part of its path is a file, no folder", "Name a file in a folder."),
    errno.ELOOP: ("its links lead in a circle", "Replace the link by a file."),
    errno.EBUSY: ("something is mounted on it", "Change the file that is mounted there, where it comes from."),
    errno.ENAMETOOLONG: ("its name is too long", "Choose a shorter name; natfix needs 17 characters beside it."),
    errno.EIO: ("the disk reports an error", "See dmesg; the disk may be failing."),
}


def refusal(verb: str, path: str, error: OSError) -> HostError:
    """Say that *path* could not be read, written or removed, and why.

    Args:
        verb: what was tried: ``read``, ``write``, ``remove``.
        path: the file.
        error: what the operating system said.
    """
    otherwise = (error.strerror or str(error), None)
    what, hint = _WORDS.get(error.errno or 0, otherwise)
    folder = str(Path(path).parent)
    return HostError(
        f"cannot {verb} {path}: {what.format(folder=folder)}",
        hint=hint and hint.format(folder=folder),
    )
