import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.app.change_ports import Turnstile
from natfix.errors import BusyError, HostError
from natfix.host.memory.clock import MemoryTurnstile
from natfix.host.turnstile import HostTurnstile

HOLD = """
import sys, time
from natfix.host.turnstile import HostTurnstile
with HostTurnstile(sys.argv[1]).hold():
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(params=["memory", "host"])
def turnstile(request: pytest.FixtureRequest, tmp_path: Path) -> Turnstile:
    return MemoryTurnstile() if request.param == "memory" else HostTurnstile(str(tmp_path / "lock"), timeout=0.05)


@contextmanager
def another_natfix(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a process that holds the turnstile."""
    with subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_one_is_let_through_after_the_other(turnstile: Turnstile) -> None:
    for _ in range(2):
        with turnstile.hold():
            pass


def test_nobody_is_let_through_while_one_is_at_work(turnstile: Turnstile) -> None:
    with turnstile.hold(), pytest.raises(BusyError, match="another natfix is at work"), turnstile.hold():
        pass


def test_who_fails_lets_the_next_one_through(turnstile: Turnstile) -> None:
    with pytest.raises(ZeroDivisionError), turnstile.hold():
        raise ZeroDivisionError
    with turnstile.hold():
        pass


def test_who_waited_in_vain_is_told_the_pid_and_the_command(tmp_path: Path) -> None:
    with another_natfix(tmp_path / "lock") as other:
        start = time.monotonic()
        with pytest.raises(BusyError) as caught, HostTurnstile(str(tmp_path / "lock"), timeout=0.2).hold():
            pass
    assert 0.2 <= time.monotonic() - start < 5
    assert f"process {other.pid}, {sys.executable} -c" in str(caught.value)
    assert "waited 0.2 s" in str(caught.value)


def test_who_waits_is_let_through_when_the_other_is_done(tmp_path: Path) -> None:
    with another_natfix(tmp_path / "lock") as other:
        os.kill(other.pid, signal.SIGKILL)
        with HostTurnstile(str(tmp_path / "lock"), timeout=30).hold():
            pass


def test_a_program_started_meanwhile_does_not_hold_on(tmp_path: Path) -> None:
    turnstile = HostTurnstile(str(tmp_path / "lock"), timeout=0)
    with turnstile.hold():
        started = subprocess.Popen(["sleep", "60"], close_fds=False)
    try:
        with turnstile.hold():
            pass
    finally:
        started.kill()
        started.wait()


def test_the_lock_is_its_owners_alone_and_names_nobody_afterwards(tmp_path: Path) -> None:
    with HostTurnstile(str(tmp_path / "lock")).hold():
        assert (tmp_path / "lock").read_text().startswith(f"{os.getpid()} ")
    assert (tmp_path / "lock").read_text() == ""
    assert (tmp_path / "lock").stat().st_mode & 0o777 == 0o600


def test_a_lock_in_a_missing_folder_or_behind_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for name in ("missing/lock", "link", "folder", "pipe"):
        with pytest.raises(HostError, match=f"cannot lock {tmp_path}/{name}"), HostTurnstile(str(tmp_path / name)).hold():
            pass
