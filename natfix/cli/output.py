"""Putting results on standard output: coloured on a terminal, plain in a pipe, or JSON."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

from natfix.errors import HostError
from natfix.report.lines import Line, Style, plain

_COLOURS: dict[Style, str] = {
    "bad": "bold red",
    "warn": "yellow",
    "good": "green",
    "dim": "dim",
    "strong": "bold",
    "added": "green",
    "removed": "red",
}


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


def emit(lines: Iterable[Line]) -> None:
    """Print lines; rich, which takes 50 ms to import, only where it can show colours."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        _emit_coloured(lines)
    else:
        write(plain(lines))


def emit_json(document: dict[str, Any]) -> None:
    """Print a JSON document."""
    import json  # noqa: PLC0415  (asked for rarely)

    write(json.dumps(document, indent=2) + "\n")


def complain(text: object) -> None:
    """Say what went wrong on standard error, as every error of natfix is told."""
    sys.stderr.write(f"natfix: {text}\n".encode("utf-8", "surrogateescape").decode("utf-8", "replace"))


def write(text: str) -> None:
    """Write *text* to standard output; what was no UTF-8 in a ruleset leaves as the bytes it was.

    Raises:
        HostError: it takes nothing, as a full disk or a closed pipe.
    """
    with _reported():
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()


@contextlib.contextmanager
def _reported() -> Iterator[None]:
    """Turn a refusal of standard output into an error of ours; else it would end in an exit code that means "findings"."""
    try:
        yield
    except OSError as error:
        # What is left in the buffer must not be tried again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise HostError(
            f"cannot write to standard output: {error.strerror}",
            hint="The command itself was carried out.",
        ) from error


def _emit_coloured(lines: Iterable[Line]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False, soft_wrap=True)
    with _reported():
        for line in lines:
            text = line.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            console.print(Text(text, style=_COLOURS.get(line.style, "")))
