"""Audit rules, explained and listed: for a terminal, as Markdown, as JSON (docs/schemas/rules-1.json)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from natfix.audit import AuditRule, Severity
from natfix.audit.example import Example
from natfix.report.document import headed
from natfix.report.lines import Line, Style

FIXES: Mapping[str, str] = {
    "none": "nothing",
    "exclude-cluster": "excludes the cluster from the rule",
    "delete": "deletes the rule",
}
_STYLES: Mapping[Severity, Style] = {
    Severity.HIGH: "bad",
    Severity.MEDIUM: "warn",
    Severity.LOW: "warn",
    Severity.INFO: "dim",
}


def chosen(catalogue: Iterable[AuditRule], areas: Sequence[str], least: Severity) -> tuple[AuditRule, ...]:
    """The audit rules of *areas*, of any when none is named, that are of severity *least* or worse."""
    return tuple(each for each in catalogue if each.severity >= least and (not areas or each.area in areas))


def list_lines(catalogue: Sequence[AuditRule]) -> Iterator[Line]:
    """One line for each audit rule."""
    widest = max((len(each.area) for each in catalogue), default=0)
    for each in catalogue:
        start = f"{each.id:8}{each.severity!s:8}{each.area:{widest}}"
        yield Line(f"{start}  {each.summary}", _STYLES[each.severity])
    yield Line()
    yield Line(f"{len(catalogue)} audit rules; natfix explain ID tells all of one", "dim")


def explain_lines(kind: AuditRule) -> Iterator[Line]:
    """All that is known of one audit rule."""
    yield Line(f"{kind.id} {kind.name} ({kind.severity}, {kind.area})", _STYLES[kind.severity])
    yield Line(f"  {kind.summary}", "strong")
    for title, text in _sections(kind):
        yield Line()
        yield Line(title, "strong")
        yield from (Line(f"  {line}") for line in text.splitlines())
    for example in kind.examples:
        yield Line()
        yield Line(f"example: {example.title} (cluster {_cluster(example)})", "strong")
        yield from _example_lines(example)


def markdown(kind: AuditRule) -> str:
    """One audit rule as a page of its own."""
    parts = [f"# {kind.id} · {kind.name}", f"{kind.summary}.", _table(kind)]
    parts += [f"## {title}\n\n{_parted(text)}" for title, text in _sections(kind)]
    if kind.examples:
        parts.append("## Examples\n\nEach is executed by the tests.")
    parts += [_example(example) for example in kind.examples]
    return "\n\n".join(parts) + "\n"


def markdown_table(catalogue: Iterable[AuditRule], folder: str = "rules") -> str:
    """A table of audit rules, each with a link to its page in *folder*."""
    rows = [
        f"| [{each.id}]({folder}/{each.id}.md) | {each.severity} | {each.area} | {each.summary} | {FIXES[each.fix]} |"
        for each in catalogue
    ]
    return "\n".join(["| id | severity | area | what it finds | what apply does |", "|---|---|---|---|---|", *rows]) + "\n"


def rules_document(catalogue: Iterable[AuditRule], *, examples: bool = False) -> dict[str, Any]:
    """Audit rules as a JSON document; docs/schemas/rules-1.json."""
    return headed(rules=[_document(each, examples=examples) for each in catalogue])


def _sections(kind: AuditRule) -> Iterator[tuple[str, str]]:
    yield "Why it matters", kind.rationale
    yield "What to do", kind.remediation
    yield "What natfix apply does", f"{FIXES[kind.fix]}".capitalize() + "."
    if kind.false_positives:
        yield "Where it errs", kind.false_positives
    yield "Where this is known from", "\n".join(f"- {each}" for each in kind.references)


def _parted(text: str) -> str:
    """The text with an empty line before each list, without which not every reader of Markdown sees one (CommonMark does)."""
    return re.sub(r"^(?!- )(\S.*)\n(?=- )", r"\1\n\n", text, flags=re.MULTILINE)


def _example_lines(example: Example) -> Iterator[Line]:
    found = set(example.finds)
    for line in example.text.strip("\n").splitlines():
        hit = any(line == spec or line.endswith(f" {spec}") for spec in found)
        yield Line(f"{'>' if hit else ' '} {line}", "bad" if hit else "")
    if example.fixed:
        yield Line("  becomes", "strong")
        yield from (Line(f"  {line}", "good") for line in example.fixed.strip("\n").splitlines())


def _table(kind: AuditRule) -> str:
    rows = {
        "severity": str(kind.severity),
        "area": kind.area,
        "analysis": f"`{kind.analysis}`",
        "targets": ", ".join(f"`{each}`" for each in sorted(kind.targets)),
        "rules written by": ", ".join(sorted(kind.actors)),
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items() if value)])


def _example(example: Example) -> str:
    parts = [f"### {example.title[:1].upper()}{example.title[1:]}", f"Cluster {_cluster(example)}:"]
    parts.append(_fenced(example.text))
    finds = "\n".join(f"- `{spec}`" for spec in example.finds)
    sure = "" if example.certain else " (possible)"
    parts.append(f"Found{sure}:\n\n{finds}" if finds else "Nothing is found.")
    if example.fixed:
        parts.append("`natfix apply` makes of it:\n\n" + _fenced(example.fixed))
    return "\n\n".join(parts)


def _fenced(text: str) -> str:
    return "```text\n" + text.strip("\n") + "\n```"


def _cluster(example: Example) -> str:
    return ", ".join(map(str, example.cluster)) or "unknown"


def _document(kind: AuditRule, *, examples: bool) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": kind.id,
        "name": kind.name,
        "area": kind.area,
        "severity": str(kind.severity),
        "summary": kind.summary,
        "rationale": kind.rationale,
        "remediation": kind.remediation,
        "false_positives": kind.false_positives,
        "references": list(kind.references),
        "analysis": kind.analysis,
        "targets": sorted(kind.targets),
        "actors": sorted(kind.actors),
        "families": sorted(each.name.lower() for each in kind.families),
        "fix": kind.fix,
    }
    if examples:
        document["examples"] = [_example_document(each) for each in kind.examples]
    return document


def _example_document(example: Example) -> dict[str, Any]:
    return {
        "title": example.title,
        "cluster": [str(each) for each in example.cluster],
        "text": example.text,
        "finds": list(example.finds),
        "certain": example.certain,
        "fixed": example.fixed,
    }
