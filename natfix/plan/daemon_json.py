"""Edits of Docker's daemon.json as text: every byte that is not about the option stays.

Docker reads the file as Go does: one JSON object, whose option names stand at its top level; an empty file is none
(moby, daemon/config/config.go, getConflictFreeConfiguration). natfix refuses what it cannot edit without a guess: a broken
text, a name that stands twice, anything but an object.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, NoReturn

from natfix.errors import ConfigError, pointed_at

DAEMON_JSON: Final = "/etc/docker/daemon.json"
_BLANKS: Final = " \t\n\r"
_ABSENT: Final = object()


class Member(NamedTuple):
    """One option of the file: its name, its value, and where both stand in the text."""

    name: str
    value: Any
    start: int
    value_start: int
    stop: int


def read_options(data: bytes | None, source: str) -> dict[str, Any]:
    """Read every option.

    Args:
        data: the file; None and a blank one say nothing.
        source: its name, for errors.

    Raises:
        ConfigError: it is not what Docker reads; the message points at the place.
    """
    return {member.name: member.value for member in _members(_text(data, source), source)}


def set_option(data: bytes | None, name: str, value: Any, source: str) -> bytes:  # noqa: ANN401  (JSON)
    """Give one option a value, in the way the file is written.

    Args:
        data: the file; None when there is none.
        name: the option.
        value: what JSON can say.
        source: the file's name, for errors.

    Raises:
        ConfigError: as read_options.
    """
    text = _text(data, source)
    members = _members(text, source)
    written = json.dumps(value)
    for member in members:
        if member.name == name:
            same = member.value == value and type(member.value) is type(value)
            return text.encode() if same else f"{text[: member.value_start]}{written}{text[member.stop :]}".encode()
    said = f"{json.dumps(name)}: {written}"
    if members:
        last = members[-1]
        # One option alone on one line does not show what its writer puts between two.
        between = _blanks_before(text, last) or (" " if len(members) == 1 else "")
        return f"{text[: last.stop]},{between}{said}{text[last.stop :]}".encode()
    head, _, tail = text.partition("{")
    rest = tail.partition("}")[2] or "\n"
    return f"{head}{{\n  {said}\n}}{rest}".encode()


def remove_option(data: bytes, name: str, source: str) -> bytes:
    """Take one option out, with the comma and the blanks that came with it.

    Raises:
        ConfigError: as read_options.
    """
    text = _text(data, source)
    members = _members(text, source)
    for place, member in enumerate(members):
        if member.name == name:
            if place:
                return f"{text[: members[place - 1].stop]}{text[member.stop :]}".encode()
            stop = members[1].start if len(members) > 1 else member.stop
            return f"{text[: member.start]}{text[stop:]}".encode()
    return data


def undo_options(now: bytes, before: bytes | None, after: bytes, source: str) -> bytes:
    """Take an edit back from a file that others have changed since.

    An option that no longer has the value it was given stays as it is.

    Args:
        now: the file.
        before: the file before the edit; None when there was none.
        after: the file as the edit left it.
        source: the file's name, for errors.

    Raises:
        ConfigError: as read_options.
    """
    old, new, held = read_options(before, source), read_options(after, source), read_options(now, source)
    for name, value in new.items():
        if old.get(name, _ABSENT) == value or held.get(name, _ABSENT) != value:
            continue
        now = set_option(now, name, old[name], source) if name in old else remove_option(now, name, source)
    return now


def _text(data: bytes | None, source: str) -> str:
    """The text of the file; that of an empty object for none and for a blank one."""
    try:
        text = (data or b"").decode()
    except UnicodeDecodeError as error:
        raise ConfigError(f"{source} is no JSON: byte {error.start + 1} is not UTF-8") from error
    return text if text.strip() else "{}"


def _members(text: str, source: str) -> tuple[Member, ...]:
    try:
        content = json.loads(text, object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise _broken(text, source, error.msg, error.pos) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{source} is no JSON that can be edited: {error}", hint=_HINT) from error
    if not isinstance(content, dict):
        raise _broken(text, source, "expecting an object", len(text) - len(text.lstrip(_BLANKS)))
    return tuple(_scanned(text, content))


def _scanned(text: str, content: dict[str, Any]) -> Iterable[Member]:
    """Find each member of the outermost object; the text is known to be valid."""
    decoder = json.JSONDecoder()
    position = text.index("{")
    for name, value in content.items():
        start = text.index('"', position)
        _, after = decoder.raw_decode(text, start)
        value_start = _skip(text, text.index(":", after) + 1)
        _, position = decoder.raw_decode(text, value_start)
        yield Member(name, value, start, value_start, position)


def _blanks_before(text: str, member: Member) -> str:
    return text[len(text[: member.start].rstrip(_BLANKS)) : member.start]


def _skip(text: str, position: int) -> int:
    return len(text) - len(text[position:].lstrip(_BLANKS))


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise ValueError(f'"{double}" stands in it twice, and nobody knows which one counts')
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


_HINT: Final = "Correct it first; Docker would not start with it either, or not do what it seems to say."


def _broken(text: str, source: str, problem: str, position: int) -> ConfigError:
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    shown = pointed_at(text.split("\n")[line - 1], column)
    return ConfigError(f"{source}, line {line}, column {column}: {problem}\n{shown}", hint=_HINT)
