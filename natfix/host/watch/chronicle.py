"""Where the watcher's entries go: into the journal with fields of their own, or to standard output as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from select import PIPE_BUF
from typing import Any, Final

from natfix.app.watch_ports import Chronicle, Entry, Level
from natfix.report.document import readable

# sd_journal_print(3) sends there.
JOURNAL_SOCKET: Final = "/run/systemd/journal/socket"
# syslog(3)
_PRIORITIES: Final[dict[Level, int]] = {"info": 6, "warning": 4, "error": 3}
# journalctl finds entries of a kind by its MESSAGE_ID: sd_journal_print(3), systemd.journal-fields(7).
MESSAGE_IDS: Final = {
    "started": "0a4b9a3c1f0e4f7f8f5c4d9e6a1b7c21",
    "corrected": "5d0c6a3b3ff84b0f9b1c7e2d4a6f8e32",
    "fight": "b1f5de1e7c3a4a2c8d9e0f6b5a4c3d43",
    "calm": "7c2f8a9b0d1e4c3f9a8b7c6d5e4f3a54",
    "saved": "2e9d7c6b5a4f4e3d8c7b6a5f4e3d2c65",
    "left": "3b8e5f0d7a614c2fae19d4c6b7f2a8d6",
    "resumed": "d94c1e7b2f5a4d0896b3e8a1c7f6d0e7",
    "guarded": "c5b4a3f2e1d04c9fb8a7c6d5e4f3a2b1",
    "refused": "e8f7a6b5c4d34f2e9b8a7c6d5e4f3b76",
    "lost": "4f3e2d1c0b9a4887a6b5c4d3e2f1a087",
    "reloaded": "9a8b7c6d5e4f4a3b8c2d1e0f9a8b7c98",
    "stopped": "1b2c3d4e5f6a4b7c8d9e0f1a2b3c4da9",
    "node-accepted": "bc02dae20ed95bcc8fe602073381f42b",
    "node-did": "574d374656465e4b9b0799663fe28866",
    "node-fight": "cdc0284165985ebfb97462ae30444587",
    "node-leased": "c60b0662434d526aaf774af2858e8deb",
    "node-moved": "7e209ae06a96538db8db77422520758e",
    "node-not-renewed": "3def65aef359554782607b8a3dc94a08",
    "node-obstructed": "05395f05467e500aa5cadc1b5f3ad951",
    "node-reachable": "6ec74ba64d8754e7a6f17417b9f10462",
    "node-ready": "f0fafe23d88d594181a4925fa7f3848a",
    "node-refused": "e43ca47d03fc54f499dbbaacb2cd3863",
    "node-remark": "14f1a6dd629e5ec0ac7bc0f6b8237278",
    "node-removed": "2f7b7390758a5371baf48edffc5b81bd",
    "node-repaired": "7ea2d1b369aa510f804a13475e51bbc0",
    "node-rival": "4bab0d0b729350b7a85be5306dbbf461",
    "node-stopped": "7565e043dc4b5bbb91b700d34f896c9f",
    "node-store-away": "4fa741994be553159e68691c913c0e25",
    "node-store-back": "0f14c2783d2f57f08cf36c020320edc4",
    "node-unreachable": "17ae562703ff5d72b5efb29c9af818ed",
    "node-waiting": "f5f6f10b412852eb8f0438f3537ca396",
}


class LineChronicle(Chronicle):
    """One JSON document a line.

    Args:
        handle: the open file it goes to; standard output, past its buffer, which would fail once more at the end.
    """

    def __init__(self, handle: int = 1) -> None:
        self._handle = handle
        self._untold = 0
        self._broken = False

    def tell(self, entry: Entry) -> None:
        """Write one line; that nobody reads it is no error, and nobody waits for who reads too slowly."""
        document = {
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "event": entry.what,
            "level": entry.level,
            "message": entry.message,
            **entry.fields,
            **_untold(self._untold),
        }
        line = json.dumps(_readable(document)).encode() + b"\n"
        # A line of which only the beginning went out is ended before the next one.
        if self._write(b"\n" + line if self._broken else line):
            self._untold = 0
        else:
            self._untold += 1

    def _write(self, data: bytes) -> bool:
        """Write what can be written without waiting; tell whether that was all."""
        begun = False
        with contextlib.suppress(OSError):
            while data and _takes(self._handle):
                # A pipe that takes anything takes so much: pipe(7).
                data = data[os.write(self._handle, data[:PIPE_BUF]) :]
                begun = True
        if begun:
            self._broken = bool(data)
        return not data


class JournalChronicle(Chronicle):
    """The systemd journal; each field is ``NATFIX_`` and its name in capitals.

    Args:
        send: systemd.journal.send. It waits when the journal does not read, for as long as that takes.
        path: the journal's socket.
    """

    def __init__(self, send: Callable[..., object], path: str = JOURNAL_SOCKET) -> None:
        self._send = send
        self._path = path
        self._untold = 0

    def tell(self, entry: Entry) -> None:
        """Send one entry; a journal that is full, stuck or gone is no error, and nobody waits for it."""
        told = {**entry.fields, **_untold(self._untold)}
        fields = {f"NATFIX_{name.upper()}": _text(value) for name, value in _readable(told).items() if value is not None}
        self._untold += 1
        if not _reads(self._path):
            return
        with contextlib.suppress(OSError):
            self._send(
                readable(entry.message),
                MESSAGE_ID=MESSAGE_IDS[entry.what],
                PRIORITY=_PRIORITIES[entry.level],
                SYSLOG_IDENTIFIER="natfix",
                NATFIX_EVENT=entry.what,
                **fields,
            )
            self._untold = 0


def _untold(number: int) -> dict[str, int]:
    """How many entries before this one could not be told."""
    return {"untold": number} if number else {}


def _takes(handle: int) -> bool:
    """Whether something can be written without waiting."""
    ready = select.poll()
    ready.register(handle, select.POLLOUT)
    return any(found & select.POLLOUT for _, found in ready.poll(0))


def _reads(path: str) -> bool:
    """Whether the journal takes an entry now: of a connected socket poll(2) tells whether the other end is full."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except OSError:
            return False
        return _takes(probe.fileno())


def open_chronicle(environment: Mapping[str, str] | None = None) -> Chronicle:
    """The journal where standard output leads to it and systemd-python is installed; else JSON lines."""
    if _leads_to_journal((os.environ if environment is None else environment).get("JOURNAL_STREAM", "")):
        with contextlib.suppress(ImportError):
            return JournalChronicle(import_module("systemd.journal").send)
    return LineChronicle()


def _leads_to_journal(stream: str) -> bool:
    """Compare ``DEVICE:INODE``, as systemd sets it, with standard output (systemd.exec(5))."""
    with contextlib.suppress(OSError):
        about = os.fstat(1)
        return stream == f"{about.st_dev}:{about.st_ino}"
    return False


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _readable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Bytes of a rule that are no UTF-8 are shown as U+FFFD, as in every JSON that natfix prints."""
    return {name: _readable_value(value) for name, value in fields.items()}


def _readable_value(value: object) -> object:
    if isinstance(value, str):
        return readable(value)
    return [_readable_value(each) for each in value] if isinstance(value, list) else value
