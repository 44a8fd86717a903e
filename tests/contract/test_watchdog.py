import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from natfix.errors import HostError
from natfix.host.memory.clock import MemoryWatchdog
from natfix.host.watchdog import HostWatchdog

# Waits for a line from a pipe, then writes to a file what the kernel says of this process.
SURVIVE = 'read -r line < "$0.pipe"; cat /proc/$$/stat > "$0.new"; mv "$0.new" "$0"'

# Arms a watchdog that survives, and waits to be killed.
ARM = f"""
import sys, time
from natfix.host.watchdog import HostWatchdog
HostWatchdog(lambda change, seconds: ["sh", "-c", {SURVIVE!r}, sys.argv[1]], systemd="/nowhere").arm("1", 60)
print("armed", flush=True)
time.sleep(60)
"""
SOON = 0.3
# Longer than it takes to start a process, on whatever machine.
LATER = 3.0
PATIENCE = 60.0


def wait_for(path: Path) -> str:
    """Wait until a file is there, and read it."""
    end = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < end, f"{path.name} never came"
        time.sleep(0.02)
    return path.read_text()


def release(path: Path) -> str:
    """Let the process go on that waits for a line, and read what it then writes."""
    pipe = os.open(f"{path}.pipe", os.O_RDWR)
    try:
        os.write(pipe, b"go on\n")
        return wait_for(path)
    finally:
        os.close(pipe)


def shell(script: str, *words: str) -> Callable[[str, float], list[str]]:
    """Give a watchdog's command: a script that gets *words*, the change and the seconds."""
    return lambda change, seconds: ["sh", "-c", script, *words, change, str(seconds)]


def test_the_twin_undoes_what_is_due_when_time_has_gone_by() -> None:
    undone: list[str] = []
    watchdog = MemoryWatchdog(undone.append)
    watchdog.arm("1", 60)
    watchdog.arm("2", 120)
    watchdog.elapse(59)
    assert undone == []
    watchdog.elapse(1)
    assert (undone, watchdog.armed) == (["1"], {"2": 60})


def test_the_command_runs_for_the_change_after_the_time(tmp_path: Path) -> None:
    script = 'sleep "$2"; echo "$1 $2" > "$0.new"; mv "$0.new" "$0"'
    start = time.monotonic()
    HostWatchdog(shell(script, str(tmp_path / "undone")), systemd="/nowhere").arm("20261122T233000Z-1", LATER)
    armed = time.monotonic() - start
    assert wait_for(tmp_path / "undone") == f"20261122T233000Z-1 {LATER}\n"
    assert armed < LATER <= time.monotonic() - start


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)


def hang_up_the_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGHUP)


def end_the_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("end", [kill, hang_up_the_group, end_the_group])
def test_it_outlives_the_one_who_armed_it(tmp_path: Path, end: Callable[[subprocess.Popen[str]], None]) -> None:
    os.mkfifo(tmp_path / "undone.pipe")
    command = [sys.executable, "-c", ARM, str(tmp_path / "undone")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "armed\n"
        end(process)
        process.wait(PATIENCE)
    assert release(tmp_path / "undone")


def test_it_outlives_its_terminal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "undone.pipe")
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ARM, str(tmp_path / "undone")])  # noqa: S606
    assert b"armed" in os.read(terminal, 100)
    os.close(terminal)
    # The kernel hangs up the leader of the terminal's session.
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGHUP
    _, _, group, session, tty = release(tmp_path / "undone").rpartition(") ")[2].split()[:5]
    assert (group == session, session == str(pid), tty) == (True, False, "0")


def test_a_hang_up_does_not_end_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "undone.pipe")
    script = f'echo $$ > "$0.new"; mv "$0.new" "$0.pid"; {SURVIVE}'
    HostWatchdog(shell(script, str(tmp_path / "undone")), systemd="/nowhere").arm("1", SOON)
    os.kill(int(wait_for(tmp_path / "undone.pid")), signal.SIGHUP)
    assert release(tmp_path / "undone")


def test_it_starts_in_the_root_folder_with_nothing_open_and_few_variables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/where/natfix/is")
    monkeypatch.setenv("LD_PRELOAD_TOO", "no")
    script = '(pwd; umask; env | cut -d= -f1 | sort; readlink /proc/$$/fd/*) > "$0.new"; mv "$0.new" "$0"'
    with (tmp_path / "held").open("w") as held:
        os.set_inheritable(held.fileno(), True)  # noqa: FBT003  (its signature)
        HostWatchdog(shell(script, str(tmp_path / "undone")), systemd="/nowhere").arm("1", SOON)
    found = wait_for(tmp_path / "undone").split()
    assert found == ["/", "0077", "LC_ALL", "PATH", "PWD", "PYTHONPATH", *["/dev/null"] * 3]


def test_a_command_that_cannot_run_is_told_at_once() -> None:
    watchdog = HostWatchdog(lambda change, seconds: ["/nowhere/natfix", "undo"], systemd="/nowhere")
    with pytest.raises(HostError, match=r"cannot start /nowhere/natfix: .*No such file"):
        watchdog.arm("1", SOON)


def service_watchdog(folder: Path, command: Callable[[str, float], list[str]]) -> HostWatchdog:
    """Make a watchdog for a host whose init is systemd, and has the same namespaces."""
    for process in ("1", "self"):
        (folder / process / "ns").mkdir(parents=True)
        for namespace in ("net", "mnt"):
            (folder / process / "ns" / namespace).symlink_to(f"{namespace}:[4026531840]")
    return HostWatchdog(command, systemd=str(folder), proc=str(folder))


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for systemd-run that writes down each word it gets and ends as the file "status" says."""
    program = tmp_path / "systemd-run"
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" -- >> {tmp_path}/words\nexit "$(cat {tmp_path}/status)"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path


def test_under_systemd_it_is_a_service(systemd: Path) -> None:
    (systemd / "status").write_text("0")
    service_watchdog(systemd, lambda change, seconds: ["natfix", "undo", change, "$HOME"]).arm("7", SOON)
    words = (systemd / "words").read_text().splitlines()
    assert words[:2] == ["--quiet", "--no-ask-password"]
    assert "--unit=natfix-undo-7" in words
    assert f"--setenv=PATH={os.environ['PATH']}" in words
    assert words[-8:] == ["--collect", "--service-type=exec", "--", "natfix", "undo", "7", "$$HOME", "--"]


def test_when_systemd_starts_no_service_it_is_a_process(systemd: Path) -> None:
    (systemd / "status").write_text("1")
    service_watchdog(systemd, shell(': > "$0"', str(systemd / "undone"))).arm("7", SOON)
    wait_for(systemd / "undone")
    words = (systemd / "words").read_text().splitlines()
    assert words.count("--unit=natfix-undo-7") == 2
    assert words.count("--service-type=exec") == 1


@pytest.mark.kernel
def test_in_another_network_than_inits_it_is_a_process_there(systemd: Path) -> None:
    (systemd / "status").write_text("0")
    program = f"""
from natfix.host.watchdog import HostWatchdog
HostWatchdog(
    lambda change, seconds: ["sh", "-c", 'readlink /proc/$$/ns/net > "$0.new"; mv "$0.new" "$0"', {str(systemd / "undone")!r}],
    systemd={str(systemd)!r},
).arm("7", 0)
"""
    script = 'readlink /proc/self/ns/net; exec "$0" -c "$1"'
    command = ["unshare", "--net", "sh", "-c", script, sys.executable, program]
    network = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert wait_for(systemd / "undone") == network != f"{Path('/proc/self/ns/net').readlink()}\n"
    assert not (systemd / "words").exists()
