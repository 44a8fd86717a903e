"""A steady stream of new TCP connections from one pod to another."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from tests.machine.machines.patience import SECONDS
from tests.machine.machines.pod import Pod
from tests.machine.machines.traffic import Traffic

PORT = 8099
# A stream that is forgotten ends by itself.
MOST_SECONDS = 1200.0
PROGRAM = Path(__file__).with_name("flood.py").read_text(encoding="utf-8")


class Stream:
    """A stream that runs; ask it at any time what has arrived so far."""

    def __init__(self, server: IO[bytes], client: IO[bytes]) -> None:
        self._server = server
        self._client = client

    def traffic(self) -> Traffic:
        """Tell all that has arrived so far; a connection that still waits for its answer is not among the attempts yet."""
        return Traffic.parse(*(Path(file.name).read_text(encoding="ascii") for file in (self._server, self._client)))

    def wait_for(self, count: int, seconds: float = 60) -> None:
        """Wait until *count* more connections have arrived.

        Raises:
            AssertionError: they did not, in so many seconds.
        """
        end = time.monotonic() + seconds
        wanted = self._arrived() + count
        while self._arrived() < wanted:
            assert time.monotonic() < end, f"{self._arrived()} of {wanted} connections arrived in {seconds} s"
            time.sleep(0.05)

    def _arrived(self) -> int:
        return Path(self._server.name).read_bytes().count(b"\n") - 1


@contextmanager
def stream(source: Pod, target: Pod, rate: float = 400, seconds: float = MOST_SECONDS) -> Iterator[Stream]:
    """Keep opening *rate* new connections a second from one pod to another, which counts them; at most for *seconds*.

    Both ends run beside the pods' own programs, in their network namespaces: a pod whose namespace goes ends its end.
    """
    with ExitStack() as stack:
        server, client = (stack.enter_context(tempfile.NamedTemporaryFile(prefix="natfix-stream-")) for _ in range(2))
        stack.enter_context(_running(target, server, "serve", str(PORT), str(seconds)))
        stack.enter_context(_running(source, client, "connect", target.address, str(PORT), str(rate), str(seconds)))
        yield Stream(server, client)


@contextmanager
def _running(pod: Pod, file: IO[bytes], *words: str) -> Iterator[None]:
    process = pod.popen("python3", "-I", "-S", "-c", PROGRAM, *words, stdout=file.fileno())
    try:
        end = time.monotonic() + SECONDS
        while not Path(file.name).read_bytes().startswith(b"ready\n"):
            assert process.poll() is None, f"{words[0]} in {pod.name} ended with {process.returncode}"
            assert time.monotonic() < end, f"{words[0]} in {pod.name} did not start"
            time.sleep(0.01)
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()
        process.wait()
