"""A real Chromium without a window, spoken to through a pipe in its DevTools protocol."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

PATIENCE = 60.0  # Seconds for one answer, on a machine that does much else.
_ABOVE = 10  # So that no pipe is where Chromium wants its own.
_FLAGS = (
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--hide-scrollbars",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


class View(NamedTuple):
    """How a page is looked at."""

    scheme: str
    width: int


class Tab:
    """One page that is open.

    Attributes:
        events: what the browser told of it since it was opened.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._commands = commands
        self._answers = answers
        self._number = 0
        self._rest = b""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session: dict[str, str] = {}
        self._session = {"sessionId": self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]}
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        """Give a command and wait for its answer."""
        self._number += 1
        session = getattr(self, "_session", {})
        message = {"id": self._number, "method": method, "params": params, **session}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("id") == self._number:
                assert "error" not in told, told
                answer: dict[str, Any] = told["result"]
                return answer
            self.events.append(told)

    def show(self, page: Path | str, view: View, height: int = 900) -> None:
        """Open *page*, a file or an address, as somebody sees it whose window is so wide and whose system is light or dark."""
        self.ask("Emulation.setDeviceMetricsOverride", width=view.width, height=height, deviceScaleFactor=1, mobile=False)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": view.scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=page if isinstance(page, str) else page.as_uri())
        while not self.told("Page.loadEventFired"):
            self.events.append(self._next())
        self.run("document.fonts.ready.then(() => true)")

    def told(self, *methods: str) -> list[dict[str, Any]]:
        """The events of these names so far."""
        return [each["params"] for each in self.events if each.get("method") in methods]

    def run(self, script: str) -> Any:  # noqa: ANN401  (whatever the script gives)
        """Run *script* in the page and give back what it gives."""
        done = self.ask("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in done, done
        return done["result"].get("value")

    def picture(self, left: float, top: float, width: float, height: float) -> list[list[tuple[int, ...]]]:
        """The pixels of a part of the page, row by row."""
        clip = {"x": left, "y": top, "width": width, "height": height, "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        return pixels(base64.b64decode(shot["data"]))

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "Chromium says nothing"
            part = os.read(self._answers, 1 << 20)
            assert part, "Chromium has ended"
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        told: dict[str, Any] = json.loads(message)
        return told


# Chromium gets no other network than the loopback of its own namespace, with a web server that ends when it does.
_SERVED = """
ip link set lo up
setpriv --pdeathsig KILL "$1" -m http.server --bind 127.0.0.1 --directory "$2" 8000 3<&- 4>&- > "$3" 2>&1 &
for try in $(seq 600); do (exec 5<> /dev/tcp/127.0.0.1/8000) 2> "$3.try" && break; sleep 0.1; done
shift 3
exec "$@"
"""
ADDRESS = "http://127.0.0.1:8000"


@contextmanager
def chromium(folder: Path, served: Path | None = None) -> Iterator[Tab]:
    """Start Chromium without any network, with its files in *folder*; what lies in *served* it finds at ADDRESS."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("this test needs chromium; see tools/debian-packages.txt")
    theirs_in, ours_out = map(_above, os.pipe())
    ours_in, theirs_out = map(_above, os.pipe())
    root = os.geteuid() == 0
    words = [program, *_FLAGS, *(("--no-sandbox",) if root else ())]
    if served is not None:
        if not root:
            pytest.skip("this test needs root, for a network namespace with a web server")
        words.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
        words = ["bash", "-c", _SERVED, "bash", sys.executable, str(served), str(folder / "served"), *words]
    words = [*(("unshare", "--net") if root else ()), *words]
    script = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", *words, f"--user-data-dir={folder / 'profile'}"],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "XDG_CACHE_HOME": str(folder)},
            start_new_session=True,
        )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Tab(ours_out, ours_in)
    finally:
        _end(process, ours_out)
        os.close(ours_out)
        os.close(ours_in)


def _end(process: subprocess.Popen[bytes], commands: int) -> None:
    """Have it end itself and what it started; else end the session it has for itself, and nothing beside it."""
    with suppress(BrokenPipeError):
        os.write(commands, b'{"id": 0, "method": "Browser.close"}\0')
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _above(file: int) -> int:
    moved = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, _ABOVE)
    os.close(file)
    return moved


def pixels(png: bytes) -> list[list[tuple[int, ...]]]:
    """The rows of a PNG of eight bits a channel that is not interlaced (PNG, third edition, 9.2)."""
    width, height, depth, kind, _, _, laced = struct.unpack(">IIBBBBB", png[16:29])
    assert (depth, laced) == (8, 0)
    size = {2: 3, 6: 4}[kind]
    data = zlib.decompress(b"".join(_parts(png, b"IDAT")))
    before = bytearray(width * size)
    rows = []
    for number in range(height):
        start = number * (width * size + 1)
        before = _unfiltered(data[start], data[start + 1 : start + 1 + width * size], before, size)
        rows.append([tuple(before[place : place + 3]) for place in range(0, len(before), size)])
    return rows


def _parts(png: bytes, wanted: bytes) -> Iterator[bytes]:
    place = 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == wanted:
            yield png[place + 8 : place + 8 + length]
        place += length + 12


def _unfiltered(kind: int, line: bytes, above: bytearray, size: int) -> bytearray:
    made = bytearray(line)
    for place, value in enumerate(line):
        left = made[place - size] if place >= size else 0
        corner = above[place - size] if place >= size else 0
        up = above[place]
        nearest = min((abs(up - corner), 0, left), (abs(left - corner), 1, up), (abs(left + up - 2 * corner), 2, corner))[2]
        made[place] = (value + (0, left, up, (left + up) // 2, nearest)[kind]) & 255
    return made
