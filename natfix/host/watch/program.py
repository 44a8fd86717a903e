"""The program that commits a correction, where possible started before it is needed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Final

from natfix.errors import HostError
from natfix.host.programs import Done, missing

_SECONDS: Final = 60.0


class Program:
    """An iptables-restore.

    iptables-legacy-restore reads the line that names the table before it takes the lock and before it reads the table
    (iptables-restore.c, since 1.2). So one can be started beforehand and wait for its script: that is a millisecond less
    between a rule and its correction. iptables-nft-restore of some versions reads the ruleset as it starts, and cannot.

    Args:
        words: the command.
        variables: for its environment, beside those of this process.
        own: gets its pid, so that its commit wakes nobody.
        ready: whether to start one beforehand.
    """

    def __init__(self, words: Sequence[str], variables: Mapping[str, str], own: set[int], *, ready: bool) -> None:
        self._words = tuple(words)
        self._variables = {**os.environ, **variables, "LC_ALL": "C", "LANGUAGE": "C"}
        self._own = own
        self._ready = ready
        self._waiting: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Have one wait, where that helps; one that was killed is replaced."""
        if self._ready and (self._waiting is None or self._waiting.poll() is not None):
            self.close()
            self._waiting = self._start()

    def run(self, data: bytes) -> Done:
        """Give *data* to the program and wait for its end.

        Raises:
            HostError: it is not installed, or did not end in time.
        """
        self.prepare()
        process = self._waiting or self._start()
        self._waiting = None
        self._own.clear()
        self._own.add(process.pid)
        with process:
            try:
                _, complaint = process.communicate(data, _SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise HostError(f"{self._words[0]} did not end within {_SECONDS:g} s and was stopped") from error
        return Done(self._words, process.returncode, b"", complaint.decode("utf-8", "replace").strip())

    def close(self) -> None:
        """Let the one that waits end: without a script it changes nothing."""
        if self._waiting:
            self._waiting.communicate()
            self._waiting = None

    def _start(self) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self._words,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=self._variables,
            )
        except FileNotFoundError as error:
            raise missing(self._words[0]) from error
        except OSError as error:
            raise HostError(f"{self._words[0]} cannot be run: {error.strerror or error}") from error
