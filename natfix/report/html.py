"""What a check found, as one HTML file with pictures that needs no network, no script and no other file to be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from itertools import groupby
from typing import Final

from natfix._version import __version__
from natfix.audit import AuditRule
from natfix.report.chart import Way
from natfix.report.gathered import Group, Place
from natfix.report.model import CheckedTable, CheckResult
from natfix.report.style import sheet
from natfix.report.svg import draw, printable
from natfix.report.text import count, cure, place_of, verdict

# A page with a thousand pictures shows nobody anything, and the same fault on a thousand hosts looks the same.
PICTURED: Final = 3
_DROPPED: Final = ("end", "dropped, and nobody is told")

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_HEAD: Final = f"""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="natfix {__version__}">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<link rel="icon" href="data:,">
<title>natfix check</title>
<style>
{sheet()}</style>
</head>
<body>
<a class="skip" href="#findings">Skip to the findings</a>
"""


def html_text(result: CheckResult) -> str:
    """The page of a check, pictures included where the result holds charts."""
    return _HEAD + "\n".join(_body(result)) + "\n</body>\n</html>\n"


def _body(result: CheckResult) -> Iterator[str]:
    line = verdict(result)
    mood = "good" if line.style == "good" else "bad"
    yield "<header>\n<h1>natfix check</h1>"
    yield f'<p class="verdict {mood}">{_shown(line.text)}</p>'
    for cluster in result.clusters:
        guess = "; a guess" if cluster.guessed else ""
        networks = ", ".join(map(str, cluster.networks))
        yield f'<p class="quiet">cluster <code>{networks}</code> (from {_shown(cluster.origin)}{guess})</p>'
    yield "</header>"
    yield '<main id="findings">'
    yield from _unread(result)
    yield from _overview(result)
    for number, group in enumerate(result.groups, 1):
        yield from _group(group, number)
    yield from _suppressed(result)
    yield from _tables(result)
    yield "</main>"
    yield f'<footer><p class="quiet">Made by natfix {__version__}. Nothing in this file is loaded from anywhere.</p></footer>'


def _unread(result: CheckResult) -> Iterator[str]:
    if result.unread:
        yield "<section>\n<h2>Could not be read</h2>"
        yield from (f"<pre>{_shown(str(each))}</pre>" for each in result.unread)
        yield "</section>"


def _overview(result: CheckResult) -> Iterator[str]:
    """All kinds of findings, when there is more than one to choose from."""
    if len(result.groups) > 1:
        rows = (
            (
                f'<a href="#{group.kind.id}">{group.kind.id}</a>',
                _badge(str(group.severity)),
                _shown(group.kind.summary),
                str(len(group.places)),
                str(group.sources),
            )
            for group in result.groups
        )
        yield '<nav aria-label="Kinds of findings">'
        yield from _table("Kinds of findings", ("id", "severity", "what", "findings", "sources"), rows)
        yield "</nav>"


def _group(group: Group, number: int) -> Iterator[str]:
    kind = group.kind
    yield f'<section id="{kind.id}" aria-labelledby="{kind.id}-h">'
    yield f'<h2 id="{kind.id}-h">{kind.id} {_shown(kind.name)} {_badge(str(group.severity))}</h2>'
    yield f"<p>{_shown(kind.summary)}</p>"
    yield from _explained(kind)
    detailed, others = group.places[:PICTURED], group.places[PICTURED:]
    for place_number, place in enumerate(detailed, 1):
        yield from _finding(place, f"f{number}-{place_number}")
    if others:
        yield f"<details>\n<summary>{count(len(others), 'more finding')} of this kind</summary>"
        rows = ((_shown(place_of(each.table, each.finding)), _code(str(each.finding.rule))) for each in others)
        yield from _table(f"The other findings of {kind.id}", ("where", "rule"), rows)
        yield "</details>"
    yield "</section>"


def _explained(kind: AuditRule) -> Iterator[str]:
    yield "<details>\n<summary>Why it matters, and what to do</summary>"
    for part in (*kind.rationale.split("\n\n"), *kind.remediation.split("\n\n")):
        yield from _prose(part)
    if kind.references:
        references = "".join(f"<li>{_reference(each)}</li>" for each in kind.references)
        yield f"<ul>{references}</ul>"
    yield "</details>"


def _reference(text: str) -> str:
    if text.startswith(("https://", "http://")) and " " not in text:
        return f'<a href="{escape(text)}">{_shown(text)}</a>'
    return _shown(text)


def _finding(place: Place, name: str) -> Iterator[str]:
    finding = place.finding
    sure = "" if finding.certain else " (possible)"
    yield f'<article aria-labelledby="{name}">'
    yield f'<h3 id="{name}">{_shown(place_of(place.table, finding))}{sure}</h3>'
    yield f"<pre>{_shown(str(finding.rule))}</pre>\n<p>{_shown(finding.message)}</p>"
    yield "<dl>"
    if finding.packet:
        yield from _told("packet", _code(str(finding.packet)))
        end = ("source", f"{finding.packet.source} becomes {_shown(finding.becomes)}") if finding.becomes else _DROPPED
        yield from _told(*end)
    if finding.unknown:
        yield from _told("depends on", "; ".join(_code(words) for words in finding.unknown))
    if finding.behind:
        yield from _told("behind", f"rule {finding.behind.number} of {_shown(finding.behind.chain)}, which comes first")
    yield from _told("cure", "\n".join(_prose(cure(finding))))
    yield "</dl>"
    yield from _pictures(place, name)
    yield "</article>"


def _prose(text: str) -> Iterator[str]:
    """Words of an audit rule, whose lines end where its file's do, as paragraphs and lists; an item begins with a dash."""
    for listed, lines in groupby(_items(text), lambda item: item.startswith("- ")):
        items = [_shown(line.removeprefix("- ")) for line in lines]
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


def _told(name: str, value: str) -> Iterator[str]:
    yield f"<dt>{name}</dt><dd>{value}</dd>"


def _pictures(place: Place, name: str) -> Iterator[str]:
    held = place.chart
    if held is None:
        return
    yield '<div class="pictures">'
    yield from _figure(held.before, held.packet, f"{name}-before", f"As it is: table {held.table}")
    if held.after:
        yield from _figure(held.after, held.packet, f"{name}-after", "After natfix apply")
    yield "</div>"


def _figure(way: Way, packet: str, name: str, title: str) -> Iterator[str]:
    yield f"<figure>\n<figcaption>{title}</figcaption>"
    yield draw(way, packet, name, f"{title}: the way of {packet}")
    yield "</figure>"


def _suppressed(result: CheckResult) -> Iterator[str]:
    decided = [(table, finding, decision) for table in result.tables for finding, decision in table.suppressed]
    if decided:
        rows = (
            (_shown(place_of(table, each)), each.kind.id, _code(str(each.rule)), _shown(decision.reason), str(decision.until))
            for table, each, decision in decided
        )
        yield f"<section>\n<h2>{count(len(decided), 'suppressed finding')}</h2>"
        yield from _table("Suppressed findings", ("where", "id", "rule", "reason", "until"), rows)
        yield "</section>"


def _tables(result: CheckResult) -> Iterator[str]:
    yield "<section>\n<h2>What was looked at</h2>"
    yield from (f"<p>note: {_shown(note)}</p>" for note in result.notes)
    yield f"<details{' open' if len(result.tables) <= PICTURED else ''}>"
    yield f"<summary>{count(len(result.tables), 'nat table')}</summary>"
    yield from _table("nat tables", ("source", "family", "rules", "container subnets", "findings"), map(_looked, result.tables))
    yield "</details>\n</section>"


def _looked(table: CheckedTable) -> tuple[str, ...]:
    subnets = ", ".join(map(str, table.subnets)) or "none known"
    return (_shown(table.source), f"IPv{table.family.value}", str(table.rules), subnets, str(len(table.findings)))


def _table(caption: str, names: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table whose cells are HTML already."""
    yield f"<table>\n<caption>{_shown(caption)}</caption>"
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    yield f"<thead><tr>{head}</tr></thead>\n<tbody>"
    for first, *cells in rows:
        others = "".join(f'<td data-name="{name}">{cell}</td>' for name, cell in zip(names[1:], cells, strict=True))
        yield f'<tr><th scope="row">{first}</th>{others}</tr>'
    yield "</tbody>\n</table>"


def _badge(severity: str) -> str:
    return f'<span class="badge {severity}">{severity}</span>'


def _code(text: str) -> str:
    return f"<code>{_shown(text)}</code>"


def _shown(text: str) -> str:
    return escape("\n".join(map(printable, text.split("\n"))))
