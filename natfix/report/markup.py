"""Pieces of an HTML page: words that mean themselves, tables, lists, badges."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from typing import Final

from natfix.report.svg import printable

_CODE: Final = re.compile(r"`([^`]+)`")


def prose(text: str) -> Iterator[str]:
    """Words of an audit rule, whose lines end where its file's do, as paragraphs and lists.

    An item begins with a dash; what stands between backticks is code.
    """
    for listed, lines in groupby(_items(text), lambda item: item.startswith("- ")):
        items = [_CODE.sub(r"<code>\1</code>", shown(line.removeprefix("- "))) for line in lines]
        listing = "".join(f"<li>{item}</li>" for item in items)
        yield f"<ul>{listing}</ul>" if listed else f"<p>{' '.join(items)}</p>"


def _items(text: str) -> list[str]:
    """The lines of *text*, each item of a list in one."""
    found: list[str] = []
    for line in text.split("\n"):
        if found and found[-1].startswith("- ") and line.startswith(" "):
            found[-1] += f" {line.strip()}"
        else:
            found.append(line)
    return found


def told(name: str, value: str) -> Iterator[str]:
    """One line of a list of facts; *value* is HTML already."""
    yield f"<dt>{name}</dt><dd>{value}</dd>"


def grid(caption: str, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table whose cells are HTML already."""
    yield f"<table>\n<caption>{shown(caption)}</caption>"
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    yield f"<thead><tr>{head}</tr></thead>\n<tbody>"
    for first, *cells in rows:
        others = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in zip(names[1:], cells, strict=True))
        yield f'<tr><th scope="row">{first}</th>{others}</tr>'
    yield "</tbody>\n</table>"


def badge(severity: str) -> str:
    """A severity, in its colour."""
    return f'<span class="badge {severity}">{severity}</span>'


def code(text: str) -> str:
    """A text as code."""
    return f"<code>{shown(text)}</code>"


def shown(text: str) -> str:
    """A text that means itself: nothing in it is markup."""
    return escape("\n".join(map(printable, text.split("\n"))))
