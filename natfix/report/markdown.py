"""What a check found, as Markdown: for a comment on a merge request, or a job's summary."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import escape

from natfix.report.document import readable
from natfix.report.gathered import Group, Place
from natfix.report.lines import shown
from natfix.report.model import CheckResult
from natfix.report.text import count, cure, place_of, verdict
from natfix.report.which import said
from natfix.ruleset.rule import as_written

DETAILED = 3
_SPECIAL = re.compile(r"([\\`*_\[\]#|~$@])")


def markdown_text(result: CheckResult) -> str:
    """What a check found: the verdict, a table of kinds, and of each kind the first findings in full, the others in a list."""
    return "\n".join(_lines(result)) + "\n"


def _lines(result: CheckResult) -> Iterator[str]:
    yield f"## natfix check\n\n**{_words(verdict(result).text)}**"
    for cluster in result.clusters:
        guess = "; a guess" if cluster.guessed else ""
        yield f"\nCluster {_code(', '.join(map(str, cluster.networks)))} (from {_words(cluster.origin)}{guess})."
    yield from _unread(result)
    if result.groups:
        yield "\n| id | severity | what | findings | sources |\n|---|---|---|---:|---:|"
    for group in result.groups:
        summary = _words(group.kind.summary)
        yield f"| {group.kind.id} | {group.severity} | {summary} | {len(group.places)} | {group.sources} |"
    for group in result.groups:
        yield from _cases(group) if result.many else _group(group)
    yield from _looked_at_many(result) if result.many else _looked(result)


def _cases(group: Group) -> Iterator[str]:
    """What findings of one kind have in common, with the names of all sources: a comment has 65,536 letters at most."""
    yield f"\n### {group.kind.id} {_words(group.kind.name)} ({group.severity})"
    for case in group.cases:
        yield f"\n{count(case.sources, 'source')} with {_code(case.shape)}, for example:"
        yield from _finding(case.places[0])
        if case.sources > 1:
            yield f"\n<details><summary>{count(case.sources, 'source')}</summary>\n"
            yield ", ".join(_code(origin) for origin in dict.fromkeys(place.table.origin for place in case.places))
            yield "\n</details>"


def _looked_at_many(result: CheckResult) -> Iterator[str]:
    found = {place.table.origin for place in result.places} | {each.source for each in result.unread}
    fine = [source for source in result.sources if source not in found]
    yield f"\n<details><summary>{count(len(result.sources), 'source')} looked at</summary>\n"
    if fine:
        yield f"Nothing was found in {count(len(fine), 'source')}: {', '.join(map(_code, fine))}.\n"
    yield from _decided(result)
    yield "\n</details>"


def _unread(result: CheckResult) -> Iterator[str]:
    if result.unread:
        yield "\n### Could not be read\n"
    if not result.many:
        yield from (_fenced(str(each)) for each in result.unread)
        return
    for problem, number in Counter(each.problem for each in result.unread).most_common():
        names = ", ".join(_code(each.source) for each in result.unread if each.problem == problem)
        yield f"- {count(number, 'source')}: {_words(problem)}: {names}"


def _group(group: Group) -> Iterator[str]:
    yield f"\n### {group.kind.id} {_words(group.kind.name)} ({group.severity})"
    detailed, others = group.places[:DETAILED], group.places[DETAILED:]
    for place in detailed:
        yield from _finding(place)
    if others:
        yield f"\n<details><summary>{count(len(others), 'more finding')}</summary>\n"
        yield from (f"- {_words(place_of(each.table, each.finding))}: {_code(str(each.finding.rule))}" for each in others)
        yield "\n</details>"


def _finding(place: Place) -> Iterator[str]:
    finding = place.finding
    sure = "" if finding.certain else " (possible)"
    yield f"\n**{_words(place_of(place.table, finding))}**{sure}\n"
    yield _fenced(str(finding.rule))
    yield f"\n{_words(said(finding))}\n"
    if finding.packet:
        verb = "would become" if finding.shielded_by else "becomes"
        becomes = f"; its source {verb} {_code(finding.becomes)}" if finding.becomes else "; it is dropped"
        yield f"- packet {_code(str(finding.packet))}{becomes}"
    if finding.path:
        way = " → ".join(_code(f"{rule.home} rule {rule.number}") for rule in as_written(finding.path))
        yield f"- way {way}"
    if finding.unknown:
        yield f"- depends on {', '.join(map(_code, finding.unknown))}"
    yield from (f"- marked by {_words(str(standing))}: {_code(str(standing.rule))}" for standing in finding.marked)
    if finding.first:
        yield f"- behind {_words(str(finding.first))}, which comes first"
    # Lines of a list in it are a list inside this one.
    yield "\n  ".join(_words(line) for line in f"- cure: {cure(finding)}".split("\n"))


def _looked(result: CheckResult) -> Iterator[str]:
    yield f"\n<details><summary>{count(len(result.tables), 'nat table')} looked at</summary>\n"
    for table in result.tables:
        yield f"- {_code(table.source)} IPv{table.family.value}: {count(table.rules, 'rule')}"
    yield from _decided(result)
    yield "\n</details>"


def _decided(result: CheckResult) -> Iterator[str]:
    for table in result.tables:
        for finding, decision in table.suppressed:
            where = _words(place_of(table, finding))
            yield f"- suppressed until {decision.until}: {finding.kind.id} {where}: {_words(decision.reason)}"
    yield from (f"- note: {_words(note)}" for note in result.notes)


def _words(text: str) -> str:
    """Words that mean themselves: nothing in them is markup, a mention or a link."""
    return _SPECIAL.sub(r"\\\1", escape(_clean(text), quote=False)).replace("://", ":&#47;/")


def _code(text: str) -> str:
    """The text as code, fenced by more backticks than it has in a row; a pipe would end a cell of a table."""
    cleaned = _clean(text)
    fence = "`" * (1 + _longest(cleaned))
    pad = " " if cleaned.startswith("`") or cleaned.endswith("`") else ""
    return f"{fence}{pad}{cleaned}{pad}{fence}"


def _fenced(text: str) -> str:
    lines = "\n".join(map(_clean, text.split("\n")))
    fence = "`" * max(3, 1 + _longest(lines))
    return f"{fence}text\n{lines}\n{fence}"


def _longest(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _clean(text: str) -> str:
    return readable(shown(text))
