"""The words of one rule, cut as iptables-restore cuts them, each with its place in the line.

Grammar (iptables/xshared.c, add_param_to_argv): words are parted by blanks and tabs; a double quote may open anywhere in
a word, and the quote that closes it also ends the word; inside quotes a backslash makes the next character literal;
there is no other escape.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_STOP: Final = re.compile(r'[ \t"]')
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


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
    if '"' not in line and "\t" not in line:
        return _split_plain(line, start)
    words: list[Word] = []
    position = start
    while position < len(line):
        if line[position] in " \t":
            position += 1
            continue
        word = _read_word(line, position)
        words.append(word)
        position = word.stop
    return tuple(words)


def _split_plain(line: str, start: int) -> tuple[Word, ...]:
    words: list[Word] = []
    position = start
    for text in line[start:].split(" "):
        if text:
            words.append(Word(text, position, position + len(text)))
        position += len(text) + 1
    return tuple(words)


def _read_word(line: str, start: int) -> Word:
    found = _STOP.search(line, start)
    position = found.start() if found else len(line)
    if position == len(line) or line[position] != '"':
        return Word(line[start:position], start, position)
    text, stop = _read_quoted(line, position)
    return Word(line[start:position] + text, start, stop, quoted=True)


def _read_quoted(line: str, opened: int) -> tuple[str, int]:
    """Read from the quote at *opened* to the one that closes it; give back the text and the place after it."""
    found = _QUOTED.match(line, opened)
    if found is None:
        message = "a quote is opened here and never closed"
        raise WordError(message, opened)
    text = found[1]
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text, found.end()
