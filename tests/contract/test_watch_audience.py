"""Whom the watcher tells: the service manager, the journal or standard output."""

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from natfix.app.watch_ports import Entry, Notifier
from natfix.host.memory.watch import MemoryNotifier
from natfix.host.watch.chronicle import MESSAGE_IDS, JournalChronicle, LineChronicle, open_chronicle
from natfix.host.watch.notifier import NoNotifier, open_notifier

ENTRY = Entry(
    "corrected", "corrected \udcff", "warning", {"before": "-A \udcff", "writers": ["sh"], "microseconds": 7, "change": None}
)


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[str]]]:
    """A service manager that has started this process; call it to hear what it was told."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))

        def heard() -> list[str]:
            told = []
            while True:
                try:
                    told.append(listener.recv(4096).decode())
                except BlockingIOError:
                    return told

        yield heard


def tell_everything(notifier: Notifier) -> None:
    notifier.ready("right")
    notifier.status("two\nlines")
    notifier.reloading()
    notifier.alive()
    notifier.stopping()


def test_systemd_hears_what_the_twin_remembers(manager: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "3000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    real, twin = open_notifier(), MemoryNotifier(3.0)
    assert real.patience == twin.patience == 3.0
    for notifier in (real, twin):
        tell_everything(notifier)
    ready, status, reloading, alive, stopping = manager()
    assert (ready, status) == ("READY=1\nSTATUS=right", "STATUS=two lines")
    first, _, moment = reloading.partition("\n")
    assert (first, moment.partition("=")[0], moment.partition("=")[2].isdigit()) == ("RELOADING=1", "MONOTONIC_USEC", True)
    assert (alive, stopping) == ("WATCHDOG=1", "STOPPING=1")
    assert [line.partition(":")[0] for line in twin.told] == ["ready", "status", "reloading", "alive", "stopping"]


@pytest.mark.parametrize(("micros", "pid"), [("", ""), ("0", ""), ("x", ""), ("1000", "1")])
def test_without_a_watchdog_nobody_waits_for_signs_of_life(
    manager: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, micros: str, pid: str
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", micros)
    monkeypatch.setenv("WATCHDOG_PID", pid)
    notifier = open_notifier()
    notifier.alive()
    assert (notifier.patience, manager()) == (None, [])


def test_where_nobody_started_natfix_nobody_is_told() -> None:
    notifier = open_notifier({})
    assert isinstance(notifier, NoNotifier)
    assert notifier.patience is None
    tell_everything(notifier)


def test_a_manager_may_listen_where_there_is_no_path() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0natfix-test-{os.getpid()}")
        listener.settimeout(5)
        open_notifier({"NOTIFY_SOCKET": f"@natfix-test-{os.getpid()}"}).ready("right")
        assert listener.recv(4096) == b"READY=1\nSTATUS=right"


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    tell_everything(open_notifier({"NOTIFY_SOCKET": str(tmp_path / "nowhere")}))


def test_a_manager_that_does_not_read_holds_nobody_up_for_long(manager: Callable[[], list[str]]) -> None:
    notifier = open_notifier()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as flood, contextlib.suppress(BlockingIOError):
        flood.settimeout(0)
        while True:
            flood.sendto(b"full", os.environ["NOTIFY_SOCKET"])
    begun = time.monotonic()
    notifier.status("lost")
    assert 0.5 < time.monotonic() - begun < 10
    assert set(manager()) == {"full"}
    notifier.status("heard")
    assert manager() == ["STATUS=heard"]


def test_an_entry_is_one_line_of_json() -> None:
    reader, writer = os.pipe()
    LineChronicle(writer).tell(ENTRY)
    os.close(writer)
    with os.fdopen(reader) as stream:
        (line,) = stream.read().splitlines()
    document = json.loads(line)
    assert document.pop("at").endswith("+00:00")
    assert document == {
        "event": "corrected", "level": "warning", "message": "corrected \ufffd", "before": "-A \ufffd", "writers": ["sh"],
        "microseconds": 7, "change": None,
    }  # fmt: skip


def test_a_stream_that_nobody_reads_any_more_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    LineChronicle(writer).tell(ENTRY)
    os.close(writer)
    LineChronicle(writer).tell(ENTRY)


def test_who_reads_too_slowly_is_not_waited_for_and_told_what_is_missing() -> None:
    reader, writer = os.pipe()
    chronicle = LineChronicle(writer)
    # More than a pipe holds; one that waited would wait for ever.
    for number in range(400):
        chronicle.tell(Entry("corrected", "x" * 5000, fields={"number": number}))
    with os.fdopen(reader, "rb") as stream:
        os.set_blocking(reader, False)
        held = stream.read()
        chronicle.tell(Entry("corrected", "the last"))
        held += stream.read()
    os.close(writer)
    *whole, last = (json.loads(line) for line in held.splitlines() if line.endswith(b"}"))
    assert [each["number"] for each in whole] == list(range(len(whole)))
    assert (last["message"], last["untold"]) == ("the last", 400 - len(whole))


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[socket.socket]:
    """What listens where the journal does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "journal"))
        yield listener


def test_a_journal_that_is_stuck_is_not_waited_for_and_told_what_is_missing(journal: socket.socket) -> None:
    path = journal.getsockname()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # As sd_journal_sendv does: from a socket of its own, which waits; here no more than the test has patience for.
        sender.settimeout(30)
        chronicle = JournalChronicle(lambda message, **fields: sender.sendto(f"{message} {fields}".encode(), path), path)
        for _ in range(3000):
            chronicle.tell(ENTRY)
        read = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                journal.recv(65536, socket.MSG_DONTWAIT)
                read += 1
        assert 0 < read < 3000
        chronicle.tell(ENTRY)
        assert f"'NATFIX_UNTOLD': '{3000 - read}'" in journal.recv(65536).decode()
        chronicle.tell(ENTRY)
        assert "NATFIX_UNTOLD" not in journal.recv(65536).decode()


def test_a_journal_that_is_gone_is_no_error(tmp_path: Path) -> None:
    def gone(_message: str, **_fields: object) -> None:
        raise AssertionError("nobody is there")

    JournalChronicle(gone, str(tmp_path / "journal")).tell(ENTRY)


def test_an_entry_of_the_journal_has_fields_of_its_own(journal: socket.socket) -> None:
    sent: list[tuple[str, dict[str, Any]]] = []
    JournalChronicle(lambda message, **fields: sent.append((message, fields)), journal.getsockname()).tell(ENTRY)
    ((message, fields),) = sent
    assert message == "corrected \ufffd"
    assert fields == {
        "MESSAGE_ID": MESSAGE_IDS["corrected"], "PRIORITY": 4, "SYSLOG_IDENTIFIER": "natfix", "NATFIX_EVENT": "corrected",
        "NATFIX_BEFORE": "-A \ufffd", "NATFIX_WRITERS": '["sh"]', "NATFIX_MICROSECONDS": "7",
    }  # fmt: skip


def test_a_full_journal_is_no_error(journal: socket.socket) -> None:
    def full(_message: str, **_fields: object) -> None:
        raise OSError(28, "No space left on device")

    JournalChronicle(full, journal.getsockname()).tell(ENTRY)


def test_the_journal_is_used_where_standard_output_leads_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    about = os.fstat(1)
    here = {"JOURNAL_STREAM": f"{about.st_dev}:{about.st_ino}"}
    assert isinstance(open_chronicle(here), JournalChronicle)
    assert isinstance(open_chronicle({"JOURNAL_STREAM": "1:1"}), LineChronicle)
    assert isinstance(open_chronicle({}), LineChronicle)
    monkeypatch.setitem(sys.modules, "systemd.journal", None)
    assert isinstance(open_chronicle(here), LineChronicle)
