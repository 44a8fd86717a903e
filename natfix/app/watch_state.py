"""What a running watcher leaves for `natfix status` to read: a small file that ends with the watcher, or outlives it stale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from natfix.app.ports import Files
from natfix.errors import HostError
from natfix.report.changes import Watcher

STATE_PATH: Final = "/run/natfix/watch.json"
_VERSION: Final = 1
_ENDED: Final = (b"Z", b"X")  # It has ended, and nobody has asked how.
_START_TIME: Final = 19  # of the fields behind the program's name in /proc/PID/stat (proc(5), field 22)


@dataclass(slots=True)
class WatchState:
    """What the watcher has done since it was started.

    Attributes:
        pid: its process.
        since: when it was started, ISO 8601 in UTC.
        corrections: how many rules it corrected.
        last: the newest correction in words, with its time.
        fights: for each rule that somebody keeps putting back who that is.
        refused: why the last look could not be finished; empty when it could.
        unsaved: why a file that is loaded at boot lacks a correction; empty when none does.
        unrecorded: why the history lacks a correction; empty when it lacks none.
        findings: how many findings its last look left.
        unguarded: why the guard that it shall turn on is not on; empty when it is, or none was asked for.
    """

    pid: int
    since: str
    corrections: int = 0
    last: str = ""
    fights: Mapping[str, str] = field(default_factory=dict)
    refused: str = ""
    unsaved: str = ""
    unrecorded: str = ""
    findings: int = 0
    unguarded: str = ""


class StateFile:
    """The file of this watcher.

    Args:
        files: the host's.
        path: where it lies; its folder must be there.
    """

    def __init__(self, files: Files, path: str = STATE_PATH) -> None:
        self._files = files
        self._path = path

    def write(self, state: WatchState) -> None:
        """Put *state* there.

        Raises:
            HostError: it cannot be written.
        """
        document = {
            "version": _VERSION,
            "pid": state.pid,
            "started": start_time(self._files, state.pid),
            "since": state.since,
            "corrections": state.corrections,
            "last": state.last,
            "fights": dict(state.fights),
            "refused": state.refused,
            "unsaved": state.unsaved,
            "unrecorded": state.unrecorded,
            "findings": state.findings,
            "unguarded": state.unguarded,
        }
        self._files.replace(self._path, json.dumps(document, indent=2).encode() + b"\n", mode=0o644)

    def remove(self) -> None:
        """Take it away: the watcher ends.

        Raises:
            HostError: it cannot be removed.
        """
        self._files.remove(self._path)


def read_watcher(files: Files, path: str = STATE_PATH) -> Watcher | None:
    """Tell what watcher there is, or was when it ended without a word; None when there is none.

    Raises:
        HostError: the file is there and cannot be read.
    """
    data = files.read(path)
    if data is None:
        return None
    try:
        document: dict[str, Any] = json.loads(data)
        return Watcher(
            pid=document["pid"],
            alive=start_time(files, document["pid"]) == document["started"] != "",
            since=document["since"],
            corrections=document["corrections"],
            last=document["last"],
            fights=dict(document["fights"]),
            refused=document["refused"],
            unsaved=document["unsaved"],
            unrecorded=document.get("unrecorded", ""),
            findings=document.get("findings", 0),
            unguarded=document.get("unguarded", ""),
        )
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise HostError(
            f"{path} is no state of a watcher ({error!r})", hint="Restart the watcher; it writes it anew."
        ) from error


def start_time(files: Files, pid: int) -> str:
    """When a process was started, in ticks since boot: with its pid it names a process for good; empty when it has ended."""
    data = files.read(f"/proc/{pid}/stat") or b""
    # The program's name stands in parentheses and may hold anything.
    fields = data.rpartition(b")")[2].split()
    if len(fields) <= _START_TIME or fields[0] in _ENDED:
        return ""
    return fields[_START_TIME].decode("ascii", "replace")
