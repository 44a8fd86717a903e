"""What natfix did on this host: a folder with one JSON file for each change."""

from __future__ import annotations

import contextlib
import json
import os
import string
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from natfix.app.change_ports import History, Record
from natfix.app.ports import Files
from natfix.errors import HostError
from natfix.host.refusals import refusal
from natfix.host.temporary import remove_leftovers

VERSION: Final = 1
_ENDING: Final = ".json"
# A folder's time goes on in steps of the kernel's clock, 10 ms at most: of two changes within one step it shows the first.
_STEP_NS: Final = 50_000_000
_ID_CHARACTERS: Final = frozenset(string.ascii_letters + string.digits + "-_")


class HostHistory(History):
    """Records in a folder that only its owner may enter; it is made with the first record.

    A file holds ``{"version": 1, "id": …, "data": …}``. Other files in the folder are left alone.

    Args:
        files: writes them.
        folder: where they lie.
    """

    def __init__(self, files: Files, folder: str = "/var/lib/natfix/history") -> None:
        self._files = files
        self._folder = Path(folder)

    def records(self) -> Sequence[Record]:
        """All of them, sorted by id.

        Raises:
            HostError: a record cannot be read; the message names its file.
        """
        try:
            names = [path.name for path in self._folder.iterdir()]
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise refusal("read", str(self._folder), error) from error
        ids = sorted(name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING) and name[0] != ".")
        return tuple(record for id_ in ids if (record := self._read(id_)))

    def save(self, record: Record) -> None:
        """Store a record, or another state of one that is there; durable when this returns.

        Raises:
            HostError: it cannot be written.
        """
        path = self._path(checked_id(record.id))
        _make_folder(self._folder)
        _clear_up(self._folder)
        self._files.replace(path, encode(record), mode=0o600)

    def remove(self, id_: str) -> None:
        """Give up a record; one that is not there is no error.

        Raises:
            HostError: it cannot be removed.
        """
        self._files.remove(self._path(checked_id(id_)))

    def stamp(self) -> object | None:
        """The time of the folder's last change; None while another change could still have the same time.

        Raises:
            HostError: the folder cannot be looked at.
        """
        try:
            about = self._folder.stat()
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise refusal("read", str(self._folder), error) from error
        settled = time.time_ns() - about.st_mtime_ns > _STEP_NS
        return (about.st_dev, about.st_ino, about.st_mtime_ns) if settled else None

    def _path(self, id_: str) -> str:
        return str(self._folder / f"{id_}{_ENDING}")

    def _read(self, id_: str) -> Record | None:
        """Read one; None when it was removed since the folder was listed."""
        path = self._path(id_)
        data = self._files.read(path)
        return None if data is None else decode(data, id_, path)


def checked_id(id_: str) -> str:
    """Give back an id that can be the name of a file.

    Raises:
        HostError: it cannot.
    """
    if not id_ or not set(id_) <= _ID_CHARACTERS:
        raise HostError(f"{id_!r} is no id of a change", hint="natfix history lists them.")
    return id_


def encode(record: Record) -> bytes:
    """Spell a record as it is stored: the same bytes for the same record."""
    content = {"version": VERSION, "id": record.id, "data": dict(record.data)}
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n"


def decode(data: bytes, id_: str, source: str) -> Record:
    """Read a stored record.

    Args:
        data: the bytes.
        id_: the id it must have.
        source: its file, for errors.

    Raises:
        HostError: it is damaged, or of another version of natfix.
    """
    try:
        content: Any = json.loads(data)
        version, found, stored = content["version"], content["id"], content["data"]
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise _damaged(source, f"it holds no record of natfix ({error})") from error
    if version != VERSION:
        raise HostError(
            f"{source}: the record has version {version}, and this natfix knows version {VERSION}",
            hint="Use the natfix that wrote it, or a newer one.",
        )
    if found != id_ or not isinstance(stored, dict):
        raise _damaged(source, f"it holds the record {found!r}, or only a part of one")
    return Record(id_, stored)


def _damaged(source: str, what: str) -> HostError:
    return HostError(
        f"{source}: {what}",
        hint="Move the file away to go on without it; the change it tells of can then no longer be undone by natfix.",
    )


def _clear_up(folder: Path) -> None:
    """Remove the temporary files of a natfix that was killed: of records that have another name than any to come."""
    with contextlib.suppress(OSError):
        names = {found.name.removeprefix(".").rpartition(".natfix-")[0] for found in folder.iterdir()}
        file = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name in names - {""}:
                remove_leftovers(file, name, frozenset({os.geteuid()}))
        finally:
            os.close(file)


def _make_folder(path: Path) -> None:
    """Make a folder and those above it, for their owner alone, so that they are there after a power cut too."""
    if path.is_dir():
        return
    _make_folder(path.parent)
    try:
        with contextlib.suppress(FileExistsError):
            path.mkdir(0o700)
        file = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise refusal("make", str(path), error) from error
