"""What a check found, as one HTML file with pictures that needs no network, no script and no other file to be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from natfix._version import __version__
from natfix.report.gathered import PICTURED, Group
from natfix.report.html_finding import article, explained
from natfix.report.html_many import many_sources, sources_counted
from natfix.report.markup import badge, code, grid, shown
from natfix.report.model import CheckedTable, CheckResult
from natfix.report.style import sheet
from natfix.report.text import count, place_of, verdict

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
    yield f'<p class="verdict {mood}">{shown(line.text)}</p>'
    if result.many:
        yield f'<p class="quiet">{sources_counted(result)}</p>'
    yield from _clusters(result)
    yield "</header>"
    yield '<main id="findings">'
    yield from many_sources(result) if result.many else _few_sources(result)
    yield "</main>"
    yield f'<footer><p class="quiet">Made by natfix {__version__}. Nothing in this file is loaded from anywhere.</p></footer>'


def _clusters(result: CheckResult) -> Iterator[str]:
    told = [
        f'<p class="quiet">cluster <code>{", ".join(map(str, cluster.networks))}</code> '
        f"(from {shown(cluster.origin)}{'; a guess' if cluster.guessed else ''})</p>"
        for cluster in result.clusters
    ]
    yield from told[:PICTURED]
    if len(told) > PICTURED:
        yield f"<details>\n<summary>{count(len(told) - PICTURED, 'more cluster')}</summary>"
        yield from told[PICTURED:]
        yield "</details>"


def _few_sources(result: CheckResult) -> Iterator[str]:
    yield from _unread(result)
    yield from _overview(result)
    for number, group in enumerate(result.groups, 1):
        yield from _group(group, number)
    yield from _suppressed(result)
    yield from _tables(result)


def _unread(result: CheckResult) -> Iterator[str]:
    if result.unread:
        yield "<section>\n<h2>Could not be read</h2>"
        yield from (f"<pre>{shown(str(each))}</pre>" for each in result.unread)
        yield "</section>"


def _overview(result: CheckResult) -> Iterator[str]:
    """All kinds of findings, when there is more than one to choose from."""
    if len(result.groups) > 1:
        rows = (
            (
                f'<a href="#{group.kind.id}">{group.kind.id}</a>',
                badge(str(group.severity)),
                shown(group.kind.summary),
                str(len(group.places)),
                str(group.sources),
            )
            for group in result.groups
        )
        yield '<nav aria-label="Kinds of findings">'
        yield from grid("Kinds of findings", ("id", "severity", "what", "findings", "sources"), rows)
        yield "</nav>"


def _group(group: Group, number: int) -> Iterator[str]:
    kind = group.kind
    yield f'<section id="{kind.id}" aria-labelledby="{kind.id}-h">'
    yield f'<h2 id="{kind.id}-h">{kind.id} {shown(kind.name)} {badge(str(group.severity))}</h2>'
    yield f"<p>{shown(kind.summary)}</p>"
    yield from explained(kind)
    detailed, others = group.places[:PICTURED], group.places[PICTURED:]
    for place_number, place in enumerate(detailed, 1):
        yield from article(place, f"f{number}-{place_number}")
    if others:
        yield f"<details>\n<summary>{count(len(others), 'more finding')} of this kind</summary>"
        rows = ((shown(place_of(each.table, each.finding)), code(str(each.finding.rule))) for each in others)
        yield from grid(f"The other findings of {kind.id}", ("where", "rule"), rows)
        yield "</details>"
    yield "</section>"


def _suppressed(result: CheckResult) -> Iterator[str]:
    decided = [(table, finding, decision) for table in result.tables for finding, decision in table.suppressed]
    if decided:
        rows = (
            (shown(place_of(table, each)), each.kind.id, code(str(each.rule)), shown(decision.reason), str(decision.until))
            for table, each, decision in decided
        )
        yield f"<section>\n<h2>{count(len(decided), 'suppressed finding')}</h2>"
        yield from grid("Suppressed findings", ("where", "id", "rule", "reason", "until"), rows)
        yield "</section>"


def _tables(result: CheckResult) -> Iterator[str]:
    yield "<section>\n<h2>What was looked at</h2>"
    yield from (f"<p>note: {shown(note)}</p>" for note in result.notes)
    yield f"<details{' open' if len(result.tables) <= PICTURED else ''}>"
    yield f"<summary>{count(len(result.tables), 'nat table')}</summary>"
    yield from grid("nat tables", ("source", "family", "rules", "container subnets", "findings"), map(_looked, result.tables))
    yield "</details>\n</section>"


def _looked(table: CheckedTable) -> tuple[str, ...]:
    subnets = ", ".join(map(str, table.subnets)) or "none known"
    return (shown(table.source), f"IPv{table.family.value}", str(table.rules), subnets, str(len(table.findings)))
