"""A finding on a page: its words, its packet, and the pictures of that packet's way."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from natfix.audit import AuditRule, Finding
from natfix.report.chart import Way
from natfix.report.gathered import Place
from natfix.report.markup import code, prose, shown, told
from natfix.report.svg import draw
from natfix.report.text import cure, place_of
from natfix.report.which import said

_DROPPED: Final = ("end", "dropped, and nobody is told")


def explained(kind: AuditRule) -> Iterator[str]:
    """Why findings of a kind matter, and what to do; folded."""
    yield "<details>\n<summary>Why it matters, and what to do</summary>"
    for part in (*kind.rationale.split("\n\n"), *kind.remediation.split("\n\n")):
        yield from prose(part)
    if kind.references:
        references = "".join(f"<li>{_reference(each)}</li>" for each in kind.references)
        yield f"<ul>{references}</ul>"
    yield "</details>"


def _reference(text: str) -> str:
    if text.startswith(("https://", "http://")) and " " not in text:
        return f'<a href="{escape(text)}">{shown(text)}</a>'
    return shown(text)


def article(place: Place, name: str) -> Iterator[str]:
    """One finding in full; *name* begins the ids inside it, which must be unique in a page."""
    finding = place.finding
    sure = "" if finding.certain else " (possible)"
    yield f'<article aria-labelledby="{name}">'
    yield f'<h3 id="{name}">{shown(place_of(place.table, finding))}{sure}</h3>'
    yield f"<pre>{shown(str(finding.rule))}</pre>\n<p>{shown(said(finding))}</p>"
    yield from facts(finding)
    yield from pictures(place, name)
    yield "</article>"


def facts(finding: Finding) -> Iterator[str]:
    """What shows a finding, and what ends it."""
    yield "<dl>"
    if finding.packet:
        yield from told("packet", code(str(finding.packet)))
        becomes = "would become" if finding.shielded_by else "becomes"
        end = ("source", f"{finding.packet.source} {becomes} {shown(finding.becomes)}") if finding.becomes else _DROPPED
        yield from told(*end)
    if finding.unknown:
        yield from told("depends on", "; ".join(code(words) for words in finding.unknown))
    if finding.behind:
        yield from told("behind", f"rule {finding.behind.number} of {shown(finding.behind.chain)}, which comes first")
    if finding.first:
        yield from told("behind", f"{shown(str(finding.first))}, which comes first")
    yield from (
        item for standing in finding.marked for item in told("marked by", f"{shown(str(standing))}: {code(str(standing.rule))}")
    )
    yield from told("cure", "\n".join(prose(cure(finding))))
    yield "</dl>"


def pictures(place: Place, name: str) -> Iterator[str]:
    """The way of the packet, as it is and as it will be; nothing for a finding without a picture."""
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
