"""Write a manual page for natfix and for each of its commands, from what the program and docs/commands.md say.

From the root of the repository::

    .venv/bin/python -m tools.manuals FOLDER [DATE]

Nothing is written by hand and nothing is kept in the repository, so that no page can be out of date. The date is that of
the release, ``2026-11-23``; today's would make two builds differ.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from natfix import __version__
from tools.command_line import Command, Parameter, commands, program

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "commands.md"


def pages(date: str = "") -> dict[str, str]:
    """Write all pages; keys are file names such as ``natfix-check.1``."""
    every = commands()
    found = {"natfix.1": _joined(_main_page(program(), every, date))}
    return found | {f"natfix-{one.name}.1": _joined(_page(one, date)) for one in every}


def _joined(lines: Iterator[str]) -> str:
    return "\n".join(lines) + "\n"


def _main_page(whole: Command, every: Sequence[Command], date: str) -> Iterator[str]:
    yield from _head("natfix", whole.summary, date)
    yield from _synopsis(whole)
    yield from _description(whole)
    yield from _described("OPTIONS", whole.options)
    yield ".SH COMMANDS"
    for one in every:
        yield from (".TP", rf"\fBnatfix\-{_escaped(one.name)}\fR(1)", _text(one.summary))
    yield from _table("EXIT STATUS", "Exit codes")
    yield from _table("FILES", "Files")
    yield from (".SH SEE ALSO", r"\fBiptables\fR(8), \fBiptables\-save\fR(8), \fBnft\fR(8), \fBsystemd.unit\fR(5)")


def _page(command: Command, date: str) -> Iterator[str]:
    yield from _head(f"natfix-{command.name}", command.summary, date)
    yield from _synopsis(command)
    yield from _description(command)
    yield from _described("ARGUMENTS", command.arguments)
    yield from _described("OPTIONS", command.options)
    yield from (".SH SEE ALSO", r"\fBnatfix\fR(1), which lists all commands, exit codes and files")


def _head(name: str, summary: str, date: str) -> Iterator[str]:
    yield f'.TH "{_escaped(name.upper())}" "1" "{_escaped(date)}" "natfix {__version__}" "natfix manual"'
    yield from (".SH NAME", rf"{_escaped(name)} \- {_text(summary.removesuffix('.'))}")


def _synopsis(command: Command) -> Iterator[str]:
    yield from (".SH SYNOPSIS", rf"\fB{_escaped(command.words)}\fR {_escaped(command.usage)}")


def _description(command: Command) -> Iterator[str]:
    yield ".SH DESCRIPTION"
    for paragraph in command.paragraphs:
        yield from (".PP", _text(paragraph))


def _described(title: str, parameters: Sequence[Parameter]) -> Iterator[str]:
    if parameters:
        yield f".SH {title}"
    for one in parameters:
        yield from (".TP", rf"\fB{_escaped(one.shown)}\fR", _text(one.text))


def _table(title: str, section: str) -> Iterator[str]:
    """Take the rows of a table of two columns from the reference."""
    text = REFERENCE.read_text(encoding="utf-8").partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (.+) \|$", text, re.MULTILINE)[1:]
    if not rows:
        raise ValueError(f"{REFERENCE} has no table of {section}")
    yield f".SH {title}"
    for name, meaning in rows:
        yield from (".TP", rf"\fB{_escaped(name.replace('`', ''))}\fR", _text(meaning))


def _text(words: str) -> str:
    r"""Spell a sentence for troff: links as their text, what stands in backticks bold, no line that begins as a request."""
    spelt = _escaped(re.sub(r"\[(`[^`]+`|[^]]+)\]\([^)]+\)", r"\1", words))
    spelt = re.sub(r"`([^`]*)`", r"\\fB\1\\fR", spelt)
    return rf"\&{spelt}" if spelt.startswith((".", "'")) else spelt


def _escaped(words: str) -> str:
    """Spell backslashes, and hyphens as the signs one types (groff_char(7))."""
    return words.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace('"', r"\(dq")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for file, page in pages(*sys.argv[2:3]).items():
        (folder / file).write_text(page, encoding="utf-8")
        print(folder / file)
