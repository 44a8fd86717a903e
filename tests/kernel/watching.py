"""A running `natfix watch` for tests: started on a host of its own, heard, and ended with the test."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tests.kernel.hosts import Host

NATFIX = (sys.executable, "-m", "natfix")
PATIENCE = 60.0
# A host whose processes are those of the machine, so that the watcher can see who wrote; the machine's files but for these.
_SETUP = """
for folder in /run /var/lib/natfix /etc/natfix; do mkdir -p $folder; mount -t tmpfs none $folder; done
ip link set lo up
"""


class Watching:
    """A watcher that runs.

    Args:
        on: the host it runs on.
        process: how it was started.
    """

    def __init__(self, on: Host, process: subprocess.Popen[str]) -> None:
        self.on = on
        self.entries: list[dict[str, Any]] = []
        self.complaints: list[str] = []
        self._process = process
        threading.Thread(target=self._hear, daemon=True).start()

    @property
    def state(self) -> dict[str, Any]:
        """What it tells `natfix status`; empty while it tells nothing."""
        with suppress(FileNotFoundError):
            found: dict[str, Any] = json.loads(self.on.path("/run/natfix/watch.json").read_text())
            return found
        return {}

    @property
    def pid(self) -> int:
        """Its pid on its host."""
        return int(self.state["pid"])

    def told(self, event: str) -> list[dict[str, Any]]:
        """The entries of one kind so far."""
        return [entry for entry in list(self.entries) if entry["event"] == event]

    def signal(self, name: str) -> None:
        """Send it a signal."""
        self.on.run("kill", f"-{name}", str(self.pid))

    def end(self) -> int:
        """Wait for its end; give its exit code."""
        return self._process.wait(PATIENCE)

    def switches(self) -> int:
        """How often it has gone to sleep since it was started."""
        status = self.on.run("cat", f"/proc/{self.pid}/status")
        return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("voluntary_ctxt_switches"))

    def _hear(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            try:
                self.entries.append(json.loads(line))
            except ValueError:
                self.complaints.append(line)


@contextmanager
def watching(
    on: Host, *options: str, environment: Mapping[str, str] | None = None, through: Sequence[str] = ()
) -> Iterator[Watching]:
    """Let `natfix watch` run on a host until the context ends; it has looked once when this returns.

    Args:
        on: the host.
        options: of the command.
        environment: variables beside those of this process.
        through: words of a program that becomes natfix.
    """
    on.path("/run/natfix/watch.json").unlink(missing_ok=True)
    command = on.words(*through, *NATFIX, "watch", *options)
    variables = {**os.environ, **(environment or {})}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=variables) as process:
        watcher = Watching(on, process)
        try:
            until(lambda: watcher.state or process.poll() is not None)
            assert process.poll() is None, "".join(watcher.complaints)
            yield watcher
        finally:
            with suppress(AssertionError, KeyError):
                watcher.signal("KILL")
            process.kill()


@contextmanager
def open_host() -> Iterator[Host]:
    """Make a host that shares its processes with the machine."""
    command = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", f"set -e{_SETUP}echo ready; exec cat"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as keeper:
        assert keeper.stdin
        assert keeper.stdout
        try:
            assert keeper.stdout.readline() == "ready\n"
            yield Host(keeper.pid)
        finally:
            keeper.stdin.close()


def until(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def put_back(on: Host, backend: object, *rules: str) -> None:
    """Insert rules on top, as Docker does."""
    for rule in rules:
        on.run(str(backend), *(["-w"] if "legacy" in str(backend) else []), "-t", "nat", "-I", "POSTROUTING", *rule.split())
