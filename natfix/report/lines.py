"""Lines of text with a meaning for each, so that a terminal can colour them and a pipe gets them plain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Style: TypeAlias = Literal["", "bad", "warn", "good", "dim", "strong", "added", "removed"]


class Line(NamedTuple):
    """One line.

    Attributes:
        text: the line, without its ending.
        style: what it means.
    """

    text: str = ""
    style: Style = ""


# What a terminal would act on; a comment in a rule can hold it.
_CONTROLS = dict.fromkeys((*range(ord("\t")), *range(ord("\t") + 1, 32), *range(127, 160)), "\N{REPLACEMENT CHARACTER}")


def shown(text: str) -> str:
    """The text without what a terminal would act on; tabs stay."""
    return text.translate(_CONTROLS)


def plain(lines: Iterable[Line]) -> str:
    """The lines as a text that ends with a newline; bytes that were no UTF-8 are shown as they were."""
    return "".join(f"{line.text}\n" for line in lines)


def diff_lines(diff: Iterable[str]) -> Iterable[Line]:
    """The lines of a unified diff, with their meaning."""
    for line in map(shown, diff):
        if line.startswith(("---", "+++", "@@")):
            yield Line(line, "dim")
        elif line.startswith("+"):
            yield Line(line, "added")
        else:
            yield Line(line, "removed" if line.startswith("-") else "")
