"""The words of one rule, cut as iptables-restore cuts them, each with its place in the line.

Grammar (iptables/xshared.c, add_param_to_argv): words are parted by blanks and tabs; a double quote may open anywhere in
a word, and the quote that closes it also ends the word; inside quotes a backslash makes the next character literal;
there is no other escape.
"""

from __future__ import annotations

import re
from operator import itemgetter
from typing import Final, NamedTuple

_QUOTED: Final = re.compile(r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_LITERAL: Final = itemgetter(1)


class Word(NamedTuple):
    """One word: its meaning, and where it stands in the line (0-based, *stop* is past its end)."""

    text: str
    start: int
    stop: int
    quoted: bool = False


class WordError(ValueError):
    """A line cannot be cut into words; *column* is the 0-based place of the open quote."""

    def __init__(self, problem: str, column: int) -> None:
        super().__init__(problem)
        self.column = column


def split_words(line: str, start: int = 0) -> tuple[Word, ...]:
    """Cut *line* from *start* on into words.

    Raises:
        WordError: a quote is opened and never closed.
    """
    words: list[Word] = []
    while (opened := line.find('"', start)) >= 0:
        words += _bare_words(line[start:opened], start)
        # What touches the quote from before is one word with it; another quote would not be.
        before = words.pop() if words and words[-1].stop == opened and not words[-1].quoted else Word("", opened, opened)
        text, start = _read_quoted(line, opened)
        words.append(Word(before.text + text, before.start, start, quoted=True))
    return (*words, *_bare_words(line[start:], start))


def _bare_words(text: str, start: int) -> list[Word]:
    """The words of a text without quotes that begins at *start*."""
    words: list[Word] = []
    for word in text.replace("\t", " ").split(" "):
        stop = start + len(word)
        if word:
            words.append(Word(word, start, stop))
        start = stop + 1
    return words


def _read_quoted(line: str, opened: int) -> tuple[str, int]:
    """Read from the quote at *opened* to the one that closes it; give back the text and the place after it."""
    found = _QUOTED.match(line, opened)
    if found is None:
        message = "a quote is opened here and never closed"
        raise WordError(message, opened)
    text = found[1]
    return _ESCAPED.sub(_LITERAL, text) if "\\" in text else text, found.end()
