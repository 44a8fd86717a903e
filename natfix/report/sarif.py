"""What a check found, as a SARIF 2.1.0 log: what code scanning of GitHub and GitLab, and many editors, read.

Source: Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS Standard; section numbers below are its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from natfix._version import __version__
from natfix.audit import AuditRule, Finding, Severity, Suppression
from natfix.packets.trace import Standing
from natfix.report.document import readable
from natfix.report.gathered import Place, Unread, grouped
from natfix.report.model import CheckedTable, CheckResult
from natfix.report.text import cure
from natfix.report.which import said
from natfix.ruleset import Rule
from natfix.ruleset.rule import as_written

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# 3.27.10: a note is what a reader need not act on.
_LEVELS: Final = {Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note", Severity.INFO: "note"}


def sarif_document(result: CheckResult) -> dict[str, Any]:
    """What a check found, as a SARIF log with one run."""
    decided = [(Place(table, each), decision) for table in result.tables for each, decision in table.suppressed]
    kinds = [group.kind for group in grouped((*result.places, *(place for place, _ in decided)))]
    places = {kind.id: number for number, kind in enumerate(kinds)}
    driver = {"name": "natfix", "semanticVersion": __version__, "rules": [_kind(kind) for kind in kinds]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "utf16CodeUnits",
        "invocations": [_invocation(result)],
        "results": [
            *(_grouped(result, places) if result.many else (_result(place, places) for place in result.places)),
            *({**_result(place, places), "suppressions": [_suppression(decision)]} for place, decision in decided),
        ],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _kind(kind: AuditRule) -> dict[str, Any]:
    text = f"{kind.rationale}\n\n{kind.remediation}"
    references = "\n".join(f"- {each}" for each in kind.references)
    made: dict[str, Any] = {
        "id": kind.id,
        "name": "".join(word.capitalize() for word in kind.name.split("-")),
        "shortDescription": {"text": kind.summary},
        "fullDescription": {"text": kind.rationale},
        "help": {"text": text, "markdown": f"{text}\n\n{references}" if references else text},
        "defaultConfiguration": {"level": _LEVELS[kind.severity]},
        "properties": {"tags": ["networking", "nat"]},
    }
    address = next((each for each in kind.references if each.startswith("https://") and " " not in each), None)
    return {**made, "helpUri": address} if address else made


def _invocation(result: CheckResult) -> dict[str, Any]:
    """What natfix says about the run itself; a source that could not be read makes it an unsuccessful one (3.20.14)."""
    notes = [{"level": "note", "message": {"text": readable(note)}} for note in result.notes]
    errors = [_unread(each) for each in result.unread]
    return {"executionSuccessful": not errors, "toolExecutionNotifications": [*errors, *notes]}


def _unread(each: Unread) -> dict[str, Any]:
    place = _physical(each.source, each.line, each.column)
    return {
        "level": "error",
        "message": {"text": readable(f"{each.problem}. {each.hint}" if each.hint else each.problem)},
        "locations": [{"physicalLocation": place}],
    }


def _result(place: Place, places: dict[str, int]) -> dict[str, Any]:
    finding, table = place.finding, place.table
    made: dict[str, Any] = {
        "ruleId": finding.kind.id,
        "ruleIndex": places[finding.kind.id],
        "level": _LEVELS[finding.severity],
        "message": {"text": readable(_message(finding))},
        "locations": [_location(finding.rule, finding.table, table)],
        "partialFingerprints": {"natfixRule/v1": _fingerprint(finding, table)},
        "properties": {"severity": str(finding.severity), "certain": finding.certain, "correctable": finding.correctable},
    }
    if finding.path:
        made["codeFlows"] = [_flow(finding, table)]
    if related := list(_related(finding, table)):
        made["relatedLocations"] = related
    return made


def _related(finding: Finding, table: CheckedTable) -> Iterator[dict[str, Any]]:
    """Other rules that have a say: one that decides before, those that mark the packets (3.27.22)."""
    if finding.behind:
        yield _location(finding.behind, finding.table, table, "decides before as things stand")
    if finding.first:
        yield _elsewhere(finding.first, table, "decides before as things stand")
    yield from (_elsewhere(standing, table, "marks these packets before") for standing in finding.marked)


def _elsewhere(standing: Standing, table: CheckedTable, message: str) -> dict[str, Any]:
    """Where a rule of another table stands: in the same text with its line."""
    if standing.origin == table.source and not table.live:
        return _location(standing.rule, standing.table, table, message)
    logical = "/".join(filter(None, (standing.origin, standing.table, standing.rule.home, str(standing.rule.number))))
    named = {"name": f"rule {standing.rule.number} of {standing.rule.home}", "fullyQualifiedName": logical}
    return {"logicalLocations": [{key: readable(value) for key, value in named.items()}], "message": {"text": message}}


def _grouped(result: CheckResult, places: dict[str, int]) -> Iterator[dict[str, Any]]:
    """The results of many sources: those of one case in a row, each with the words of that case.

    Each source keeps a result of its own: several locations of one result are places that must all change for it to end
    (3.27.12), and hosts are corrected one by one. The case is a property and no second partial fingerprint, for these say which
    result is which (3.27.17), and a tool that compares two logs by them would take one host for another.
    """
    for group in result.groups:
        for case in group.cases:
            words = {"id": _hashed((case.kind.id, case.mask)), "rule": readable(case.shape), "sources": case.sources}
            for place in case.places:
                made = _result(place, places)
                yield {**made, "properties": {**made["properties"], "case": words}}


def _suppression(decision: Suppression) -> dict[str, Any]:
    """Who decided to live with a result, outside of the dump (3.35)."""
    reason = f"{decision.reason} (until {decision.until.isoformat()}; {decision})"
    return {"kind": "external", "status": "accepted", "justification": readable(reason)}


def _message(finding: Finding) -> str:
    sure = "" if finding.certain else "possibly: "
    verb = "would become" if finding.shielded_by else "becomes"
    shown = f" {finding.packet}: the source {verb} {finding.becomes}." if finding.packet and finding.becomes else ""
    return f"{sure}{finding.rule} {said(finding)}.{shown} Cure: {' '.join(cure(finding).split())}"


def _flow(finding: Finding, table: CheckedTable) -> dict[str, Any]:
    """The packet's way, rule by rule (3.36)."""
    steps = [{"location": _location(rule, finding.table, table, str(rule))} for rule in as_written(finding.path)]
    return {"message": {"text": str(finding.packet)}, "threadFlows": [{"locations": steps}]}


def _location(rule: Rule, name: str, table: CheckedTable, message: str = "") -> dict[str, Any]:
    """Where a rule stands: a chain of a table, and for a text the line (3.28)."""
    number = str(rule.number) if rule.number else ""
    logical = "/".join(filter(None, (table.source if table.live else "", name, rule.home, number)))
    called = f"rule {number} of {rule.home}" if number else str(rule)
    made: dict[str, Any] = {"logicalLocations": [{"name": readable(called), "fullyQualifiedName": readable(logical)}]}
    if table.file:
        # Code scanning shows no result without a line, and in the one line of JSON that holds a ruleset is no better place.
        made["physicalLocation"] = _physical(table.file, 1)
    elif not table.live:
        made["physicalLocation"] = _physical(table.source, rule.line, snippet=str(rule))
    return {**made, "message": {"text": readable(message)}} if message else made


def _physical(source: str, line: int, column: int = 0, snippet: str = "") -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(source)}}
    if line:
        region: dict[str, Any] = {"startLine": line}
        if column:
            region["startColumn"] = column
        if snippet:
            region["snippet"] = {"text": readable(snippet)}
        place["region"] = region
    return place


def _uri(source: str) -> str:
    """The name of a file as a URI reference: absolute for an absolute path, so that no reader guesses (3.4.3)."""
    quoted = quote(source.encode("utf-8", "surrogateescape"), safe="/")
    return f"file://{quoted}" if source.startswith("/") else quoted


def _fingerprint(finding: Finding, table: CheckedTable) -> str:
    """What stays when lines are added before the rule: its words, chain and source."""
    return _hashed((finding.kind.id, table.source, table.family.name, finding.table, str(finding.rule)))


def _hashed(words: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:32]
