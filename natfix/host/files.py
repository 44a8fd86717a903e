"""Files replaced whole or not at all, by a program that is root.

Every step after the first is relative to the opened folder, so that nobody can put another folder in its place meanwhile::

    open folder ─► follow a link inside it ─► write .NAME.natfix-XXXXXXXX ─► fsync ─► rename ─► fsync folder
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from natfix.app.ports import Files
from natfix.errors import HostError
from natfix.host.refusals import refusal
from natfix.host.temporary import Likeness, remove_leftovers, temporary, want_file

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# Opening a pipe must not wait for its other end, nor a terminal become ours.
_FILE: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_MAX_LINKS: Final = 8
_ANYBODYS: Final = stat.S_ISVTX | stat.S_IWOTH


class HostFiles(Files):
    """The files of this host."""

    def read(self, path: str) -> bytes | None:
        """Read a file, through links; None when there is none.

        Raises:
            HostError: it is there and cannot be read, or is something else than a file.
        """
        try:
            file = os.open(path, _FILE)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise refusal("read", path, error) from error
        try:
            want_file(file)
            with open(file, "rb", closefd=False) as stream:
                return stream.read()
        except OSError as error:
            raise refusal("read", path, error) from error
        finally:
            os.close(file)

    def replace(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put *data* at *path* so that a reader sees the old or the new file, even after a power cut.

        Mode, owner, access list and SELinux context of a file that is there are kept; a new one gets *mode*, whatever the
        umask. A link to a file in the same folder is followed. Temporary files that a killed natfix left are removed.

        Raises:
            HostError: the path is a directory, a pipe or a device, a link that leads out of its folder or nowhere, in a
                folder that is missing or read-only, or the disk is full. The old file is as it was, unless the message
                says that only the last step, the fsync of the folder, failed.
        """
        try:
            with _opened_folder(path) as folder:
                name = _followed(folder, path)
                _replace(folder, name, data, mode)
                _sync(folder, path)
        except OSError as error:
            raise refusal("write", path, error) from error

    def remove(self, path: str) -> None:
        """Remove a file, or a link and not what it leads to; one that is not there is no error.

        Temporary files that a killed natfix left are removed too.

        Raises:
            HostError: it cannot be removed, or is a directory.
        """
        try:
            with _opened_folder(path) as folder:
                remove_leftovers(folder, _name(path), frozenset({os.geteuid()}))
                os.unlink(_name(path), dir_fd=folder)
                _sync(folder, path)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise refusal("remove", path, error) from error


@contextlib.contextmanager
def _opened_folder(path: str) -> Iterator[int]:
    folder = os.open(Path(path).parent, _FOLDER)
    try:
        yield folder
    finally:
        os.close(folder)


def _replace(folder: int, name: str, data: bytes, mode: int) -> None:
    old = Likeness.of(folder, name)
    # A natfix that was killed late had given its temporary file to the owner of the old one.
    remove_leftovers(folder, name, frozenset({os.geteuid(), *([old.uid] if old else [])}))
    with temporary(folder, name) as (file, made):
        with open(file, "wb", closefd=False) as stream:
            stream.write(data)
        if old:
            old.give(file)
        else:
            os.fchmod(file, mode)
        os.fsync(file)
        os.rename(made, name, src_dir_fd=folder, dst_dir_fd=folder)


def _sync(folder: int, path: str) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        # Some file systems have folders that cannot be synced, and say it like this (fsync(2)).
        if error.errno != errno.EINVAL:
            raise HostError(
                f"{path} is changed, but the disk did not confirm it: {error.strerror}",
                hint="See dmesg; the disk may be failing. After a power cut the old file may be back.",
            ) from error


def _name(path: str) -> str:
    name = Path(path).name
    if not name:
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    return name


def _followed(folder: int, path: str) -> str:
    """The name in *folder* of the file that *path* is, or will be.

    Raises:
        HostError: a link leads out of the folder or nowhere.
        OSError: the path is a directory, or links lead in a circle.
    """
    name = _name(path)
    for followed in range(_MAX_LINKS):
        status = _status(folder, name)
        if status is None and followed:
            raise _refused_link(path, f"it is a link to {name}, which does not exist")
        if status is None or not stat.S_ISLNK(status.st_mode):
            return name
        name = _target(folder, name, path, status.st_uid)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _target(folder: int, name: str, path: str, owner: int) -> str:
    """The name in the same folder that a link leads to."""
    here = os.fstat(folder)
    # As the kernel does with protected_symlinks (proc_sys_fs(5)): in /tmp a stranger's link is not followed.
    if here.st_mode & _ANYBODYS == _ANYBODYS and owner not in {os.geteuid(), here.st_uid}:
        raise _refused_link(path, "it is somebody else's link")
    target = os.readlink(name, dir_fd=folder)
    there = _status(folder, f"{Path(target).parent}/.")
    if there is None or not os.path.samestat(there, here):
        raise _refused_link(path, f"it is a link out of its folder, to {target}")
    return _name(target)


def _status(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _refused_link(path: str, what: str) -> HostError:
    return HostError(f"cannot write {path}: {what}", hint="Name the file itself, or replace the link by a file.")
