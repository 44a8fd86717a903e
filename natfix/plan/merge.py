"""Take a change of a text back after somebody else has changed the text too: the third side of a three-way merge.

    before ──natfix──► after ──somebody──► now
                                            │ take_out
                                            ▼
                                  now without natfix's change

Lines are the same when they say the same: counters and line endings do not count, for iptables-save writes new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple


class _Hunk(NamedTuple):
    """What natfix made of some lines.

    Attributes:
        start: index in *after* of the first line it wrote.
        stop: index behind the last one.
        old: the lines that were there before.
    """

    start: int
    stop: int
    old: Sequence[str]


def take_out(now: bytes, before: bytes, after: bytes) -> bytes:
    """Give *now* without what made *after* of *before*.

    What somebody else removed meanwhile stays removed. A rule that natfix wrote and somebody moved goes from where it is now.
    """
    old, new, current = (_lines(text) for text in (before, after, now))
    places = _places(new, current)
    kept = set(places.values())
    foreign = {_said(line): index for index, line in enumerate(current) if index not in kept and _is_rule(line)}
    dropped: set[int] = set()
    put_back: dict[int, list[str]] = {}
    for hunk in _hunks(old, new):
        found = [places.get(index, foreign.get(_said(new[index]))) for index in range(hunk.start, hunk.stop)]
        mine = [index for index in found if index is not None]
        dropped.update(mine)
        if mine or hunk.start == hunk.stop:
            place = mine[0] if mine else _behind(places, hunk.start)
            put_back.setdefault(place, []).extend(line for line in hunk.old if _said(line) not in foreign)
    return "\n".join(_woven(current, dropped, put_back)).encode("utf-8", "surrogateescape")


def same_text(one: bytes, other: bytes) -> bool:
    """Whether two texts say the same; their comments, which tell when they were made, do not count either."""
    return _heart(one) == _heart(other)


def _heart(text: bytes) -> list[str]:
    return [_said(line) for line in _lines(text) if not line.startswith("#")]


def _lines(text: bytes) -> list[str]:
    return text.decode("utf-8", "surrogateescape").split("\n")


def _places(new: Sequence[str], current: Sequence[str]) -> dict[int, int]:
    """For each line of *new* that is still there its index in *current*."""
    blocks = _matcher(new, current).get_matching_blocks()
    return {block.a + offset: block.b + offset for block in blocks for offset in range(block.size)}


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[_Hunk]:
    for tag, start, stop, first, last in _matcher(new, old).get_opcodes():
        if tag != "equal":
            yield _Hunk(start, stop, old[first:last])


def _matcher(one: Sequence[str], other: Sequence[str]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, [_said(line) for line in one], [_said(line) for line in other], autojunk=False)


def _behind(places: Mapping[int, int], index: int) -> int:
    """The index in the current text behind the nearest line above *index* that is still there."""
    return next((places[above] + 1 for above in range(index - 1, -1, -1) if above in places), 0)


def _woven(current: Sequence[str], dropped: set[int], put_back: Mapping[int, Sequence[str]]) -> Iterator[str]:
    for index, line in enumerate(current):
        yield from put_back.get(index, ())
        if index not in dropped:
            yield line
    yield from put_back.get(len(current), ())


def _said(line: str) -> str:
    """A line without its counters and its carriage return."""
    line = line.rstrip("\r ")
    if line.startswith("["):
        return line.partition("] ")[2]
    return line.rpartition(" [")[0] if line.startswith(":") and line.endswith("]") else line


def _is_rule(line: str) -> bool:
    """Whether a line says the same wherever it stands: a rule, or the declaration of a chain that is no built-in one."""
    said = _said(line)
    return said.startswith("-A ") or (said.startswith(":") and said.endswith(" -"))
