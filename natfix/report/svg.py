"""The way of a packet as an SVG picture: one column, as wide as a telephone, that grows downwards.

Sizes are in the picture's own units, of which a column has WIDTH; a page shows it as wide as there is room. Colours are
the page's: every shape has a class, and natfix/report/style.py gives it a colour in light and in dark.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Final

from natfix.report.chart import Box, Row, Way
from natfix.report.lines import shown

WIDTH: Final = 344
_LETTER: Final = 6.75  # Of 11 units' height in the widest of the usual monospaced fonts, with a little air.
_LINE: Final = 15
_PAD: Final = 6
_INDENT: Final = 16
_DEEPEST: Final = 7  # Deeper boxes stand no further to the right: some room must be left for words.
_GUTTER: Final = 12  # From a box's left edge to the packet's way in it.
_TEXT: Final = 26  # And to the words of its rows.
_OUT: Final = WIDTH - 6  # Where the way of a packet runs down that a rule has decided about.

_NAMES: Final = {
    "culprit": "the rule this is about",
    "new": "put there by natfix apply",
    "first": "decides first, as things stand",
}
_POLICY: Final = "what this is about"


@dataclass(slots=True)
class _Canvas:
    """Shapes drawn so far.

    Attributes:
        shapes: as SVG elements.
        points: the points of the packet's way, from where it sets out to the last rule it matches.
        top: where the next shape goes.
        below: the lower edge of the last rule it matches.
    """

    shapes: list[str] = field(default_factory=list)
    points: list[tuple[float, float]] = field(default_factory=list)
    top: float = 0
    below: float = 0

    def box(self, kind: str, left: float, top: float, size: tuple[float, float]) -> None:
        self.shapes.append(f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{size[0]:g}" height="{size[1]:g}" rx="5"/>')

    def text(self, kind: str, left: float, base: float, words: str) -> None:
        self.shapes.append(f'<text class="{kind}" x="{left:g}" y="{base:g}">{escape(printable(words))}</text>')


def draw(way: Way, packet: str, name: str, title: str) -> str:
    """Draw one way.

    Args:
        way: what to draw.
        packet: the packet, as text.
        name: begins the ids inside the picture, which must be unique in a page.
        title: names the picture for whoever cannot see it; the words of the way follow it.
    """
    canvas = _Canvas()
    _pill(canvas, "packet", _wrapped(packet, 12, right=WIDTH))
    canvas.points.append((_GUTTER + 1, canvas.top))
    canvas.top += 14
    _box(canvas, way.box, 0)
    canvas.top += 14
    mood = "good" if way.good else "bad"
    line = _line(canvas, way, canvas.top)
    _pill(canvas, f"end {mood}", _wrapped(way.end, 12, right=WIDTH))
    described = escape(printable(" ".join(described_way(way, packet))))
    return "\n".join(
        [
            f'<svg viewBox="0 0 {WIDTH} {canvas.top + 2:g}" role="img" aria-labelledby="{name}-t {name}-d">',
            f'<title id="{name}-t">{escape(printable(title))}</title>',
            f'<desc id="{name}-d">{described}</desc>',
            *canvas.shapes,
            f'<path class="way {mood}" d="{line}"/>',
            *(f'<circle class="dot {mood}" cx="{left:g}" cy="{top:g}" r="4.5"/>' for left, top in canvas.points[1:]),
            "</svg>",
        ]
    )


def described_way(way: Way, packet: str) -> Iterator[str]:
    """The picture in words, for whoever cannot see it."""
    yield f"{packet} comes to {way.box.chain}."
    yield from _told(way.box)
    yield f"{way.end}."


def _told(box: Box) -> Iterator[str]:
    for row in box.rows:
        if row.taken:
            yield f"It matches rule {row.number} of {box.chain}: {row.text}."
            if row.box:
                yield from _told(row.box)
        elif row.mark and not row.number:
            yield f"No rule of {box.chain} decides, and its {row.text} does."


def printable(text: str) -> str:
    """The text as XML can hold it: no byte that was no UTF-8, nothing that a terminal would act on."""
    return shown(text).replace("\t", " ").encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _pill(canvas: _Canvas, kind: str, lines: list[str]) -> None:
    height = len(lines) * _LINE + 2 * _PAD
    canvas.box(kind, 1, canvas.top, (WIDTH - 2, height))
    for number, words in enumerate(lines):
        canvas.text("word", 12, canvas.top + _PAD + 11 + number * _LINE, words)
    canvas.top += height


def _box(canvas: _Canvas, box: Box, depth: int) -> None:
    left = 1 + min(depth, _DEEPEST) * _INDENT
    width = _OUT - 8 - 3 * depth - left
    top, place = canvas.top, len(canvas.shapes)
    canvas.text("chain", left + _TEXT, top + 16, box.chain)
    canvas.text("count", left + _TEXT + (len(box.chain) + 1) * _LETTER * 1.1, top + 16, _counted(box))
    canvas.top += 24
    for row in box.rows:
        _row(canvas, row, left, depth)
    canvas.top += 4 if box.rows else 0
    height = canvas.top - top
    kind = "box" if box.rows else "box closed"
    canvas.box(kind, left, top, (width, height))
    canvas.shapes.insert(place, canvas.shapes.pop())


def _counted(box: Box) -> str:
    return "1 rule" if box.rules == 1 else f"{box.rules} rules"


def _row(canvas: _Canvas, row: Row, left: float, depth: int) -> None:
    start = left + _TEXT
    number = f"{row.number}  " if row.number else "" if row.mark else "…  "
    lines = _wrapped(number + row.text, start, indent=len(number))
    note = _NAMES.get(row.mark, "") if row.number else _POLICY if row.mark else ""
    height = (len(lines) + bool(note)) * _LINE + 4
    if row.mark:
        canvas.box(f"row {row.mark}", left + 20, canvas.top, (_OUT - 12 - 3 * depth - left - 20, height - 2))
    kind = "rule taken" if row.taken else "rule" if row.number else "rest"
    for place, words in enumerate(lines):
        canvas.text(kind, start, canvas.top + 12 + place * _LINE, words)
    if note:
        canvas.text(f"note {row.mark}", start, canvas.top + 12 + len(lines) * _LINE, note)
    if row.taken:
        canvas.points.append((left + _GUTTER, canvas.top + 8))
    canvas.top += height
    if row.taken:
        canvas.below = canvas.top
    if row.box:
        canvas.shapes.append(f'<path class="jump" d="M{start:g} {canvas.top - 3:g} v3"/>')
        canvas.top += 2
        _box(canvas, row.box, depth + 1)
        canvas.top += 5


def _line(canvas: _Canvas, way: Way, end: float) -> str:
    """The packet's way: down the gutter from rule to rule; one that a rule decides about leaves at the side."""
    (left, top), *others = canvas.points
    parts = [f"M{left:g} {top:g}"]
    for x, y in others:
        if x != left:
            parts.append(f"V{y - 12 if x > left else top + 12:g} H{x:g}")
        parts.append(f"V{y:g}")
        left, top = x, y
    if way.decided:
        parts.append(f"V{canvas.below:g} H{_OUT}")
    elif left > _GUTTER + 1:
        parts.append(f"V{top + 12:g} H{_GUTTER + 1}")
    return " ".join([*parts, f"V{end:g}", "m-4 -6 l4 6 l4 -6"])


def _wrapped(text: str, left: float, *, right: float = _OUT - 14, indent: int = 0) -> list[str]:
    """Cut *text* into lines that fit between *left* and a little before *right*."""
    letters = int((right - 6 - left) / _LETTER)
    return textwrap.wrap(printable(text), letters, subsequent_indent=" " * indent, break_on_hyphens=False) or [""]
