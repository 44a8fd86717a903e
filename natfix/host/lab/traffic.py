"""Connections between the places of the lab, and natfix itself in one of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from natfix.errors import HostError
from natfix.host.lab import answer
from natfix.host.lab.commands import run, within

NO_ANSWER: Final = "no answer"
SERVER_PATH: Final = "/cgi-bin/source/"

_SERVER_SECONDS = "3600"
_CLIENT_SECONDS = 10.0
_NATFIX_SECONDS = 120.0
_ANSWER = (sys.executable, "-I", "-S", str(Path(answer.__file__)))


def start_server(namespace: str) -> None:
    """Start a server on port 80 in *namespace*; it ends by itself after an hour, or with the sandbox.

    Raises:
        HostError: it does not start.
    """
    command = within(namespace, *_ANSWER, "serve", "80", _SERVER_SECONDS)
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if server.stdout is not None and (said := server.stdout.readline()) != "ready\n":
        raise HostError(f"the server in {namespace} did not start: {said}{server.communicate()[0]}")


def ask_from(namespace: str, address: str, port: int, label: str) -> str:
    """Open a connection from *namespace*, and return the source address that the server saw, or ``no answer``."""
    return seen_by(within(namespace, *_ANSWER, "ask", address, str(port), SERVER_PATH + label))


def seen_by(client: Sequence[str]) -> str:
    """Run a client, which prints what the server answered, and return the address in it, or ``no answer``."""
    try:
        answered = run(client, seconds=_CLIENT_SECONDS)
    except HostError:
        return NO_ANSWER
    # A server that listens on IPv6 as well shows an IPv4 address as [::ffff:10.4.7.21].
    return answered.strip().strip("[]").removeprefix("::ffff:") or NO_ANSWER


def run_natfix_in(namespace: str, words: Sequence[str]) -> tuple[int, str]:
    """Run natfix in *namespace*, and return its exit code and what it printed on both streams.

    Raises:
        HostError: it did not end in time.
    """
    command = within(namespace, sys.executable, "-P", "-m", "natfix", *words)
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=_NATFIX_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"natfix {' '.join(words)}: did not end within {_NATFIX_SECONDS:g} s") from error
    return done.returncode, done.stdout


def wait_until(works: Callable[[], bool], *, what: str, tries: int = 100) -> None:
    """Try *works* until it is true, a tenth of a second between one try and the next.

    Raises:
        HostError: it was false *tries* times; the message says *what* did not happen.
    """
    for _ in range(tries):
        if works():
            return
        time.sleep(0.1)
    raise HostError(f"{what} did not happen within {tries / 10:g} s")
