"""Where the watcher's entries go: into the journal with fields of their own, or to standard output as JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

from natfix.app.watch_ports import Chronicle, Entry, Level
from natfix.report.document import readable

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
}


class LineChronicle(Chronicle):
    """One JSON document a line.

    Args:
        handle: the open file it goes to; standard output, past its buffer, which would fail once more at the end.
    """

    def __init__(self, handle: int = 1) -> None:
        self._handle = handle

    def tell(self, entry: Entry) -> None:
        """Write one line; nobody who reads it is no error."""
        document = {
            "at": datetime.now(UTC).isoformat(timespec="microseconds"),
            "event": entry.what,
            "level": entry.level,
            "message": entry.message,
            **entry.fields,
        }
        with contextlib.suppress(OSError):
            os.write(self._handle, json.dumps(_readable(document)).encode() + b"\n")


class JournalChronicle(Chronicle):
    """The systemd journal; each field is ``NATFIX_`` and its name in capitals.

    Args:
        send: systemd.journal.send.
    """

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send

    def tell(self, entry: Entry) -> None:
        """Send one entry; a journal that is full or gone is no error."""
        fields = {
            f"NATFIX_{name.upper()}": _text(value) for name, value in _readable(entry.fields).items() if value is not None
        }
        with contextlib.suppress(OSError):
            self._send(
                readable(entry.message),
                MESSAGE_ID=MESSAGE_IDS[entry.what],
                PRIORITY=_PRIORITIES[entry.level],
                SYSLOG_IDENTIFIER="natfix",
                NATFIX_EVENT=entry.what,
                **fields,
            )


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
