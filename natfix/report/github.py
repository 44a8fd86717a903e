r"""What a check found, as GitHub's workflow commands, which put annotations beside the lines of a pull request.

``::error file=a.save,line=3,title=NAT001::words``. A command is one line; what would end it, or a property of it, is escaped:
``%`` ``\r`` ``\n`` everywhere, ``:`` and ``,`` in properties too (actions/toolkit, packages/core/src/command.ts).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from natfix.audit import Severity
from natfix.report.document import readable
from natfix.report.gathered import Place, Unread
from natfix.report.lines import shown
from natfix.report.model import CheckResult
from natfix.report.text import cure, place_of
from natfix.report.which import said

_LEVELS: Final = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "notice", Severity.INFO: "notice"}
_MESSAGE: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


def github_text(result: CheckResult) -> str:
    """What a check found: one annotation a line, and nothing else, as any other line might be read as a command too."""
    return "".join(f"{line}\n" for line in _commands(result))


def _commands(result: CheckResult) -> Iterator[str]:
    for each in result.unread:
        yield _unread(each)
    for place in result.places:
        yield _finding(place)
    for note in result.notes:
        yield _command("notice", {"title": "natfix"}, note)


def _unread(each: Unread) -> str:
    properties = {"file": each.source, "line": str(each.line or ""), "col": str(each.column or ""), "title": "natfix"}
    return _command("error", properties, f"{each.problem}\n{each.hint}" if each.hint else each.problem)


def _finding(place: Place) -> str:
    finding, table = place.finding, place.table
    properties = {
        "file": table.file or ("" if table.live else table.source),
        "line": "" if table.live else str(finding.rule.line or ""),
        "title": f"{finding.kind.id} {finding.kind.name}",
    }
    packet = [f"packet {finding.packet}"] if finding.packet else []
    sure = "" if finding.certain else "possibly: "
    where = [place_of(table, finding)] if table.live else []
    lines = [*where, str(finding.rule), f"{sure}{said(finding)}", *packet, f"cure: {cure(finding)}"]
    return _command(_LEVELS[finding.severity], properties, "\n".join(lines))


def _command(level: str, properties: dict[str, str], message: str) -> str:
    told = ",".join(f"{name}={_clean(value).translate(_PROPERTY)}" for name, value in properties.items() if value)
    lines = "\n".join(map(_clean, message.split("\n")))
    return f"::{level} {told}::{lines.translate(_MESSAGE)}"


def _clean(text: str) -> str:
    return readable(shown(text))
