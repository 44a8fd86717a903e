"""Programs that the lab runs and that have to succeed."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.errors import HostError
from natfix.host import programs


def run(words: Sequence[str], *, given: str = "", seconds: float = 60.0) -> str:
    """Run a program to its end and return what it printed on standard output.

    Args:
        words: the program and its arguments.
        given: what it reads from standard input.
        seconds: how long it may take.

    Raises:
        HostError: it is missing, failed or took too long; the message holds its own words.
    """
    done = programs.run(*words, data=given.encode(), seconds=seconds)
    output = done.output.decode("utf-8", "replace")
    if done.code:
        raise HostError(f"{done}: {done.complaint or output.strip() or f'exit code {done.code}'}")
    return output


def within(namespace: str, *words: str) -> list[str]:
    """Make the command that runs *words* in the network namespace *namespace*.

    Not ``ip netns exec``: that puts another /sys in place, in which dockerd finds no control groups.
    """
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *words]
