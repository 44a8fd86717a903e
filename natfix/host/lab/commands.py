"""Programs that the lab runs, each with a bound on its time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from natfix.errors import HostError

_SECONDS = 60.0


def run(words: Sequence[str], *, given: str = "", seconds: float = _SECONDS) -> str:
    """Run a program to its end and return what it printed on standard output.

    Args:
        words: the program and its arguments.
        given: what it reads from standard input.
        seconds: how long it may take.

    Raises:
        HostError: it is missing, failed or took too long; the message holds its own words.
    """
    try:
        done = subprocess.run(words, input=given, capture_output=True, text=True, check=False, timeout=seconds)
    except FileNotFoundError as error:
        raise HostError(f"the lab needs the program {words[0]!r}, which is not there") from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{' '.join(words)}: did not end within {seconds:g} s") from error
    if done.returncode:
        raise HostError(f"{' '.join(words)}: {(done.stderr or done.stdout).strip() or f'exit {done.returncode}'}")
    return done.stdout


def within(namespace: str, *words: str) -> list[str]:
    """Make the command that runs *words* in the network namespace *namespace*.

    Not ``ip netns exec``: that puts another /sys in place, in which dockerd finds no control groups.
    """
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *words]
