import os
import subprocess
import sys
from pathlib import Path

import pytest

from natfix.host.login import login
from natfix.host.memory.clock import MemoryWatchdog
from natfix.host.watchdog import HostWatchdog

NO_SESSION = "4294967295"
SAY = "from natfix.host.login import login; print(login())"


class Proc:
    """A procfs of a few processes, of which one is "self"."""

    def __init__(self, folder: Path, boot: str = "b007") -> None:
        self.folder = folder
        (folder / "sys/kernel/random").mkdir(parents=True)
        (folder / "sys/kernel/random/boot_id").write_text(f"{boot}\n")

    def add(self, pid: int, parent: int, environ: str = "", session: str = NO_SESSION) -> None:
        place = self.folder / str(pid)
        place.mkdir()
        fields = ["S", str(parent), *["0"] * 17, str(1000 + pid)]
        (place / "stat").write_text(f"{pid} (a) (strange) name) {' '.join(fields)}\n")
        (place / "environ").write_text(environ)
        (place / "sessionid").write_text(session)

    def login(self, pid: int) -> str:
        """Name the login of *pid*."""
        (self.folder / "self").unlink(missing_ok=True)
        (self.folder / "self").symlink_to(str(pid))
        return login(str(self.folder))


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_an_audit_session_decides_alone(proc: Proc) -> None:
    proc.add(10, 1, "SSH_CONNECTION=192.0.2.1 40000 192.0.2.2 22\0", session="17")
    proc.add(20, 1, "", session="17")
    proc.add(30, 1, "", session="18")
    assert proc.login(10) == proc.login(20) == "b007 audit 17"
    assert proc.login(30) == "b007 audit 18"


def test_without_audit_the_ssh_connection_decides_also_behind_sudo(proc: Proc) -> None:
    proc.add(9, 1, "PATH=/bin\0")
    proc.add(10, 9, "A=1\0SSH_CONNECTION=192.0.2.1 40000 192.0.2.2 22\0XDG_SESSION_ID=3\0")
    proc.add(11, 10, "SUDO_USER=admin\0")
    proc.add(12, 9, "SSH_CONNECTION=192.0.2.1 40001 192.0.2.2 22\0")
    assert proc.login(11) == proc.login(10) == "b007 SSH_CONNECTION 192.0.2.1 40000 192.0.2.2 22"
    assert proc.login(12) != proc.login(10)


def test_on_a_console_the_session_of_logind_decides(proc: Proc) -> None:
    proc.add(10, 1, "XDG_SESSION_ID=3\0")
    proc.add(11, 10)
    assert proc.login(11) == "b007 XDG_SESSION_ID 3"


def test_without_any_of_them_the_outermost_process_decides(proc: Proc) -> None:
    proc.add(10, 1)
    proc.add(11, 10)
    proc.add(12, 10)
    proc.add(20, 0)
    assert proc.login(11) == proc.login(12) == "b007 process 10 1010"
    assert proc.login(20) == "b007 process 20 1020"


def test_init_itself_has_a_login_too(proc: Proc) -> None:
    proc.add(1, 0)
    assert proc.login(1) == "b007 process 1 1001"


def test_a_process_that_is_gone_ends_the_way_up(proc: Proc) -> None:
    proc.add(10, 9)
    assert proc.login(10).startswith("b007 process ")


def test_after_a_reboot_every_login_is_new(tmp_path: Path) -> None:
    found = set()
    for boot in ("one", "two"):
        proc = Proc(tmp_path / boot, boot)
        proc.add(10, 1, session="1")
        found.add(proc.login(10))
    assert len(found) == 2


def test_two_shells_of_one_login_have_the_same_session_on_this_host() -> None:
    environment = {**os.environ, "SSH_CONNECTION": "192.0.2.1 40000 192.0.2.2 22"}
    direct, nested = (
        subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
        for command in (
            [sys.executable, "-c", SAY],
            ["setsid", "sh", "-c", 'env -u SSH_CONNECTION "$0" -c "$1"; true', sys.executable, SAY],
        )
    )
    assert direct == nested != "\n"


def test_the_watchdog_tells_the_login_and_so_does_its_twin() -> None:
    assert HostWatchdog(lambda change, seconds: []).session() == login()
    assert MemoryWatchdog(login="login 2").session() == "login 2"
