"""A page about many sources: what is alike is told once, with one picture, and names all sources that have it.

A source's name leads to its line in the table of all sources, and that line to everything that was found there. The lists are
folded; a browser unfolds what a link or its own search leads to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from natfix.report.cases import Case
from natfix.report.gathered import PICTURED, Group, Unread
from natfix.report.html_finding import explained, facts, pictures
from natfix.report.markup import badge, code, grid, shown
from natfix.report.model import CheckedTable, CheckResult
from natfix.report.text import count, spot_of
from natfix.report.which import said


def sources_counted(result: CheckResult) -> str:
    """How many sources there are, and how they fare."""
    found = len({table.origin for table in result.tables if table.findings})
    unread = len(result.unread)
    fine = len(result.sources) - found - unread
    return f"{len(result.sources)} sources: {found} with findings, {fine} without, {unread} that could not be read"


def many_sources(result: CheckResult) -> Iterator[str]:
    """The page between its header and its footer."""
    links = {source: f"s{number}" for number, source in enumerate(result.sources, 1)}
    # Of what is equally bad, that comes first which most sources have.
    groups = sorted(((group, group.cases) for group in result.groups), key=lambda each: (-each[0].severity, -each[0].sources))
    yield from _unread(result.unread, links)
    yield from _overview(groups)
    for group, cases in groups:
        yield from _group(group, cases, links)
    yield from _suppressed(result, links)
    yield from _notes(result)
    yield from _sources(result, groups, links)


def _unread(unread: Sequence[Unread], links: Mapping[str, str]) -> Iterator[str]:
    """What could not be read, by what is wrong with it, as one full disk spoils many files."""
    if not unread:
        return
    yield '<section aria-labelledby="unread">\n<h2 id="unread">Could not be read</h2>'
    for problem, number in Counter(each.problem for each in unread).most_common():
        yield f"<details>\n<summary>{count(number, 'source')}: {shown(problem)}</summary>\n<ul>"
        for each in unread:
            if each.problem == problem:
                yield f"<li>{_link(each.source, links)}<pre>{shown(str(each))}</pre></li>"
        yield "</ul>\n</details>"
    yield "</section>"


def _overview(groups: Sequence[tuple[Group, Sequence[Case]]]) -> Iterator[str]:
    rows = (
        (
            f'<a href="#{_name(case, number)}">{case.kind.id}</a>',
            badge(str(case.severity)),
            f"{shown(case.kind.summary)}<br>{code(case.shape)}",
            str(case.sources),
            str(len(case.places)),
        )
        for _, cases in groups
        for number, case in enumerate(cases, 1)
    )
    if groups:
        yield '<nav aria-label="Findings by what they have in common">'
        caption = "Findings by what they have in common"
        yield from grid(caption, ("id", "severity", "what", "sources", "findings"), rows)
        yield "</nav>"


def _group(group: Group, cases: Sequence[Case], links: Mapping[str, str]) -> Iterator[str]:
    kind = group.kind
    yield f'<section id="{kind.id}" aria-labelledby="{kind.id}-h">'
    yield f'<h2 id="{kind.id}-h">{kind.id} {shown(kind.name)} {badge(str(group.severity))}</h2>'
    yield f"<p>{shown(kind.summary)}</p>"
    yield from explained(kind)
    for number, case in enumerate(cases, 1):
        yield from _case(case, number, links)
    yield "</section>"


def _case(case: Case, number: int, links: Mapping[str, str]) -> Iterator[str]:
    name, first = _name(case, number), case.places[0]
    sure = "" if first.finding.certain else " (possible)"
    yield f'<article id="{name}" aria-labelledby="{name}-h">'
    yield f'<h3 id="{name}-h">{count(case.sources, "source")}, {count(len(case.places), "finding")}{sure}</h3>'
    yield f"<pre>{shown(case.shape)}</pre>"
    yield f"<p>For example {_link(first.table.origin, links)}, {shown(spot_of(first.table, first.finding))}:</p>"
    yield f"<pre>{shown(str(first.finding.rule))}</pre>\n<p>{shown(said(first.finding))}</p>"
    yield from facts(first.finding)
    if number <= PICTURED:
        yield from pictures(first, name)
    yield f"<details>\n<summary>{count(case.sources, 'source')} with it</summary>"
    rows = (
        (_link(place.table.origin, links), shown(spot_of(place.table, place.finding)), " ".join(map(code, own)))
        for place, own in zip(case.places, case.own, strict=True)
    )
    yield from grid(f"Where {case.kind.id} was found in this form", ("source", "where", "there"), rows)
    yield "</details>\n</article>"


def _suppressed(result: CheckResult, links: Mapping[str, str]) -> Iterator[str]:
    decided = [(table, finding, decision) for table in result.tables for finding, decision in table.suppressed]
    if decided:
        rows = (
            (
                _link(table.origin, links),
                each.kind.id,
                shown(spot_of(table, each)),
                code(str(each.rule)),
                shown(decision.reason),
                str(decision.until),
            )
            for table, each, decision in decided
        )
        yield f"<section>\n<h2>Suppressed</h2>\n<details>\n<summary>{count(len(decided), 'suppressed finding')}</summary>"
        yield from grid("Suppressed findings", ("source", "id", "where", "rule", "reason", "until"), rows)
        yield "</details>\n</section>"


def _notes(result: CheckResult) -> Iterator[str]:
    if result.notes:
        yield f"<section>\n<h2>Notes</h2>\n<details>\n<summary>{count(len(result.notes), 'note')}</summary>\n<ul>"
        yield from (f"<li>{shown(note)}</li>" for note in result.notes)
        yield "</ul>\n</details>\n</section>"


def _sources(result: CheckResult, groups: Sequence[tuple[Group, Sequence[Case]]], links: Mapping[str, str]) -> Iterator[str]:
    found: dict[str, list[str]] = {}
    for _, cases in groups:
        for number, case in enumerate(cases, 1):
            for origin in dict.fromkeys(place.table.origin for place in case.places):
                found.setdefault(origin, []).append(f'<a href="#{_name(case, number)}">{case.kind.id}</a>')
    tables: dict[str, list[CheckedTable]] = {}
    for table in result.tables:
        tables.setdefault(table.origin, []).append(table)
    for each in result.unread:
        found[each.source] = ['<span class="bad">could not be read</span>']
    yield '<section aria-labelledby="sources">\n<h2 id="sources">Every source</h2>'
    yield f"<details>\n<summary>{sources_counted(result)}</summary>"
    rows = ((_anchor(source, links), *_looked(tables.get(source, [])), " ".join(found.get(source, []))) for source in links)
    yield from grid("Sources", ("source", "nat rules", "container subnets", "found"), rows)
    yield "</details>\n</section>"


def _looked(tables: Sequence[CheckedTable]) -> tuple[str, str]:
    rules = ", ".join(f"{table.rules} (IPv{table.family.value})" for table in tables)
    return rules, ", ".join(dict.fromkeys(str(subnet) for table in tables for subnet in table.subnets))


def _name(case: Case, number: int) -> str:
    return f"{escape(case.kind.id)}-{number}"


def _link(source: str, links: Mapping[str, str]) -> str:
    return f'<a href="#{links[source]}">{shown(source)}</a>'


def _anchor(source: str, links: Mapping[str, str]) -> str:
    return f'<span id="{links[source]}">{shown(source)}</span>'
