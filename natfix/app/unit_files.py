"""Which unit files natfix puts in place, for what, and how they call natfix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# What the packaged files call natfix.
_PACKAGED_COMMAND: Final = "/usr/bin/natfix"
_PLAIN_WORD: Final = re.compile(r"[\w@:,./+=-]+", re.ASCII)


class Mode(StrEnum):
    """A way to keep the host right; NODE is the agent that keeps its routes, beside any of them."""

    WATCH = "watch"
    PATH = "path"
    DROP_IN = "drop-in"
    NODE = "node"


@dataclass(frozen=True, slots=True)
class UnitSet:
    """Unit files that go together.

    Attributes:
        files: their names.
        enabled: those that are enabled and started, in this order.
    """

    files: tuple[str, ...]
    enabled: tuple[str, ...]

    def __or__(self, other: UnitSet) -> UnitSet:
        """Both, each file once."""
        return UnitSet(_once(*self.files, *other.files), _once(*self.enabled, *other.enabled))


def _once(*names: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


_ALWAYS: Final = UnitSet(*[("natfix-restore.service", "natfix-follow.service")] * 2)
# For the modes without a daemon: what systemd can tell of, and is not over with one look or no start.
_LATE: Final = UnitSet(*[("natfix-settle.service", "natfix-reload.service")] * 2)
_MODES: Final[Mapping[Mode, UnitSet]] = {
    Mode.WATCH: UnitSet(("natfix-watch.service",), ("natfix-watch.service",)),
    Mode.PATH: _LATE
    | UnitSet(
        ("natfix-notice.path", "natfix-notice.service", "natfix-reapply.path", "natfix-reapply.service"),
        ("natfix-notice.path", "natfix-reapply.path", "natfix-notice.service"),
    ),
    Mode.DROP_IN: _LATE | UnitSet(("docker.service.d/natfix.conf",), ()),
    Mode.NODE: UnitSet(*[("natfix-node.service",)] * 2),
}


def units_of(modes: Iterable[Mode]) -> UnitSet:
    """The unit files of some modes; every mode has those for a boot and for restored rulesets."""
    found = _ALWAYS
    for mode in modes:
        found |= _MODES[mode]
    return found


def calling(text: str, command: Sequence[str], *, in_home: bool = False) -> str:
    """A packaged unit file with *command* in place of the natfix it calls.

    Args:
        text: the file.
        command: a program's absolute path and its arguments.
        in_home: whether some of what it needs lies in somebody's home, which must be seen then.
    """
    called = _called(text, "Exec", " ".join(map(_unit_word, command)))
    return called.replace("\nProtectHome=yes\n", "\nProtectHome=read-only\n") if in_home else called


def supervised(text: str, command: Sequence[str]) -> str:
    """The packaged section for supervisor with *command* in place of the natfix it calls."""
    # Supervisor expands %(NAME)s before it splits the line as a shell would.
    return _called(text, "command=", shlex.join(command).replace("%", "%%"))


def _called(text: str, start: str, command: str) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(line.replace(_PACKAGED_COMMAND, command) if line.startswith(start) else line for line in lines)


def _unit_word(word: str) -> str:
    """Spell a word so that systemd takes it as it is: neither specifiers nor variables (systemd.service(5), command lines)."""
    spelt = word.replace("%", "%%").replace("$", "$$")
    if _PLAIN_WORD.fullmatch(word):
        return spelt
    quoted = spelt.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
