"""Twins of what natfix stores: files, records, and the files that are loaded at boot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from natfix.app.change_ports import History, Record
from natfix.app.ports import Files, SavedRulesets
from natfix.errors import HostError
from natfix.host.history import checked_id, decode, encode
from natfix.ruleset import Family


class MemoryFiles(Files):
    """Files in a dictionary.

    Args:
        contents: the files that are there, by absolute path.
        folders: folders that hold none of them; those that hold one are there anyway.

    Attributes:
        contents: what is there now.
        modes: permission bits of what was new when it was written.
        refusals: for a path the error that writing or removing it meets, as of a full disk; a test puts it there.
    """

    def __init__(self, contents: Mapping[str, bytes] | None = None, folders: Sequence[str] = ("/etc",)) -> None:
        self.contents = dict(contents or {})
        self.modes: dict[str, int] = {}
        self.refusals: dict[str, HostError] = {}
        self._folders = {parent for path in self.contents for parent in Path(path).parents}
        self._folders |= {one for folder in folders for one in (Path(folder), *Path(folder).parents)}

    def read(self, path: str) -> bytes | None:
        """Read a file; None when there is none.

        Raises:
            HostError: it is a directory.
        """
        self._want_no_folder("read", path)
        return self.contents.get(path)

    def replace(self, path: str, data: bytes, *, mode: int = 0o600) -> None:
        """Put *data* at *path*.

        Raises:
            HostError: the path is a directory, in a folder that is missing, or refused.
        """
        self._want_no_folder("write", path)
        if Path(path).parent not in self._folders:
            raise HostError(f"cannot write {path}: its folder {Path(path).parent} does not exist")
        self._meet_refusal(path)
        self.modes.setdefault(path, mode)
        self.contents[path] = data

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is no error.

        Raises:
            HostError: it is a directory, or refused.
        """
        self._want_no_folder("remove", path)
        self._meet_refusal(path)
        self.contents.pop(path, None)
        self.modes.pop(path, None)

    def _want_no_folder(self, verb: str, path: str) -> None:
        if Path(path) in self._folders:
            raise HostError(f"cannot {verb} {path}: it is a directory")

    def _meet_refusal(self, path: str) -> None:
        if path in self.refusals:
            raise self.refusals[path]


class MemoryHistory(History):
    """Records kept as the bytes that would be stored, so that only what JSON can say comes back."""

    def __init__(self, records: Sequence[Record] = ()) -> None:
        self._stored: dict[str, bytes] = {}
        self._changes = 0
        for record in records:
            self.save(record)

    def records(self) -> Sequence[Record]:
        """All of them, sorted by id."""
        return tuple(decode(self._stored[id_], id_, id_) for id_ in sorted(self._stored))

    def save(self, record: Record) -> None:
        """Store a record, or another state of one that is there.

        Raises:
            HostError: its id could not be a file's name.
        """
        self._stored[checked_id(record.id)] = encode(record)
        self._changes += 1

    def remove(self, id_: str) -> None:
        """Give up a record.

        Raises:
            HostError: its id could not be a file's name.
        """
        self._stored.pop(checked_id(id_), None)
        self._changes += 1

    def stamp(self) -> object | None:
        """How often it was changed."""
        return self._changes


class MemorySavedRulesets(SavedRulesets):
    """Files that a service would restore.

    Args:
        paths: the file of each family.
        load: raises HostError for a text that is to be refused; without it every text is accepted.
    """

    def __init__(self, paths: Mapping[Family, str], load: Callable[[Family, bytes], str] | None = None) -> None:
        self._paths = dict(paths)
        self._load = load

    def paths(self) -> Mapping[Family, str]:
        """For each family the file that is restored."""
        return dict(self._paths)

    def validate(self, family: Family, data: bytes) -> str:
        """Refuse what *load* refuses.

        Raises:
            HostError: it does.
        """
        return self._load(family, data) if self._load else ""
