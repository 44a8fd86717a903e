"""Every error natfix raises, and the exit code each one ends a command with.

The tree::

    NatfixError                 2   it could not be done; nothing was changed
    ├── UsageError              2   an option, a path or a setting is wrong
    │   └── ConfigError         2   a configuration or rule file says something impossible
    ├── RulesetSyntaxError      2   a text is not iptables-save output; points at the place
    ├── HostError               2   the host refused: no rights, no iptables, full disk, kernel says no
    ├── ConflictError           3   somebody changed kernel or file in between; nothing was changed
    ├── RolledBackError         4   the change was made, found wrong (or not confirmed) and taken back
    ├── UnsupportedError        5   natfix sees this state of the host and will not touch it
    └── BusyError               6   another natfix, or a holder of the xtables lock, is at work

0 is success and 1 means "findings" or "something would change"; neither is an error.
70 is a defect of natfix itself, told with a traceback; 130 is Ctrl-C, as in a shell.
A new branch needs a code of its own: tests/unit/test_errors.py counts them.
"""

from __future__ import annotations

from typing import ClassVar, Final

EXIT_OK: Final = 0
EXIT_FOUND: Final = 1
EXIT_DEFECT: Final = 70
EXIT_INTERRUPTED: Final = 130

SHOWN_COLUMNS: Final = 200


class NatfixError(Exception):
    """Something natfix was asked for could not be done.

    What a terminal would act on, and bytes that are no UTF-8, are shown as U+FFFD: errors quote files and other programs.

    Args:
        message: what happened and where.
        hint: what the reader can do about it; shown on a line of its own.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        self.message = "\n".join(map(_printable, message.split("\n")))
        self.hint = None if hint is None else "\n".join(map(_printable, hint.split("\n")))
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\n  {self.hint}"


class UsageError(NatfixError):
    """The caller asked for something that makes no sense."""


class ConfigError(UsageError):
    """A configuration file or a rule file cannot be used as it is."""


class RulesetSyntaxError(NatfixError):
    """A text is not what iptables-save or ip6tables-save prints.

    Args:
        problem: what is wrong, without the place.
        source: name of the file or stream.
        line: 1-based line number.
        column: 1-based column in that line.
        text: the line itself, without its ending.
        hint: what to do.
    """

    def __init__(  # noqa: PLR0913  (all but the first by name)
        self,
        problem: str,
        *,
        source: str,
        line: int,
        column: int = 1,
        text: str = "",
        hint: str | None = None,
    ) -> None:
        place = f"{_printable(source)}, line {line}, column {column}"
        super().__init__(f"{place}: {_printable(problem)}\n{pointed_at(text, column)}", hint=hint)
        self.problem = problem
        self.source = source
        self.line = line
        self.column = column


class HostError(NatfixError):
    """The host refused: rights, a missing program, a full disk, or the kernel itself."""


class ConflictError(NatfixError):
    """What natfix wanted to change is no longer what it read; nothing was changed."""

    exit_code = 3


class RolledBackError(NatfixError):
    """A change was made and taken back again, because it was wrong or nobody confirmed it."""

    exit_code = 4


class UnsupportedError(NatfixError):
    """The host is in a state that natfix recognises and does not touch."""

    exit_code = 5


class BusyError(NatfixError):
    """Somebody else is at work: another natfix, or the holder of the xtables lock."""

    exit_code = 6


def pointed_at(text: str, column: int) -> str:
    """Show the part of a line around *column* with a caret under it."""
    start = max(0, column - SHOWN_COLUMNS // 2) if len(text) > SHOWN_COLUMNS else 0
    head = "…" if start else ""
    shown = _printable(text[start : start + SHOWN_COLUMNS])
    return f"    {head}{shown}\n    {' ' * (len(head) + column - 1 - start)}^"


def _printable(text: str) -> str:
    """Replace what a terminal would act on or cannot show, such as escapes and bytes that are not UTF-8."""
    shown = text.replace("\t", " ")
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in shown)
