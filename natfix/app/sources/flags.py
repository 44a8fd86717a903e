"""The flags of programs written in Go: ``--name=value``, ``--name value``, and with one dash."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest


def flag(arguments: Sequence[str], name: str) -> str:
    """Find what a command line sets *name* to.

    Args:
        arguments: the command line, the program's own word first.
        name: the flag without its dashes.

    Returns:
        The last value, which is the one in force; empty when there is none.
    """
    value = ""
    words = arguments[1:]
    for word, after in zip_longest(words, words[1:], fillvalue=""):
        if word == "--":
            break
        written, equals, text = word.partition("=")
        if written in {f"-{name}", f"--{name}"}:
            value = text if equals else after
    return value
