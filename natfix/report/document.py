"""What a check found, as a JSON document; docs/schemas/check-1.json."""

from __future__ import annotations

from typing import Any

from natfix._version import __version__
from natfix.audit import Finding, Suppression
from natfix.packets import Packet
from natfix.packets.trace import Standing
from natfix.report.cases import Case
from natfix.report.gathered import Group, Unread
from natfix.report.model import CheckedTable, CheckResult, ClusterOrigin
from natfix.report.packets import packets_document
from natfix.report.which import said
from natfix.ruleset import Rule
from natfix.ruleset.rule import as_written

SCHEMA = 1


def check_document(result: CheckResult) -> dict[str, Any]:
    """What a check found; docs/schemas/check-1.json."""
    return headed(
        clusters=[cluster_document(cluster) for cluster in result.clusters],
        tables=[_table(table) for table in result.tables],
        notes=list(result.notes),
        summary={str(severity): number for severity, number in result.counts()},
        kinds=[_group(group) for group in result.groups],
        unread=[_unread(each) for each in result.unread],
        empty=[readable(source) for source in result.empty],
    )


def headed(**content: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """A document with what every document begins with: the version of its schema, and natfix's own."""
    return {"schema": SCHEMA, "natfix": __version__, **content}


def readable(text: str) -> str:
    """The text with U+FFFD for each byte that was no UTF-8, which JSON cannot say."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def cluster_document(cluster: ClusterOrigin) -> dict[str, Any]:
    """One cluster and who says so."""
    return {"networks": [str(each) for each in cluster.networks], "origin": cluster.origin, "guessed": cluster.guessed}


def _group(group: Group) -> dict[str, Any]:
    return {
        "id": group.kind.id,
        "name": group.kind.name,
        "severity": str(group.severity),
        "findings": len(group.places),
        "sources": group.sources,
        "cases": [
            {"rule": readable(case.shape), "findings": len(case.places), "sources": _sources(case)} for case in group.cases
        ],
    }


def _sources(case: Case) -> list[str]:
    return list(dict.fromkeys(readable(place.table.origin) for place in case.places))


def _unread(each: Unread) -> dict[str, Any]:
    return {
        "source": readable(each.source),
        "problem": readable(each.problem),
        "line": each.line or None,
        "column": each.column or None,
        "hint": readable(each.hint) or None,
    }


def _table(table: CheckedTable) -> dict[str, Any]:
    return {
        "source": table.source,
        "file": readable(table.file) or None,
        "live": table.live,
        "family": _family(table),
        "rules": table.rules,
        "subnets": [str(network) for network in table.subnets],
        "findings": [finding_document(finding) for finding in table.findings],
        "suppressed": [_suppressed(finding, decision) for finding, decision in table.suppressed],
        "known": table.known,
    }


def _suppressed(finding: Finding, decision: Suppression) -> dict[str, Any]:
    return {
        "finding": finding_document(finding),
        "reason": readable(decision.reason),
        "until": decision.until.isoformat(),
        "place": readable(decision.place) or None,
    }


def _family(table: CheckedTable) -> str:
    return table.family.name.lower()


def finding_document(finding: Finding) -> dict[str, Any]:
    """One finding, with the packet that proves it."""
    return {
        "id": finding.kind.id,
        "name": finding.kind.name,
        "severity": str(finding.severity),
        "certain": finding.certain,
        "message": readable(said(finding)),
        "table": finding.table,
        "rule": _rule(finding.rule),
        "packet": _packet(finding.packet) if finding.packet else None,
        "packets": [packets_document(each) for each in finding.packets],
        "partial": finding.partial,
        "path": [_rule(rule) for rule in as_written(finding.path)],
        "becomes": readable(finding.becomes) or None,
        "unknown": [readable(words) for words in finding.unknown],
        "behind": _rule(finding.behind) if finding.behind else None,
        "shielded_by": readable(finding.shielded_by) or None,
        "marked": [_standing(each) for each in finding.marked],
        "first": _standing(finding.first) if finding.first else None,
        "correctable": finding.correctable,
        "remediation": finding.kind.remediation,
    }


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "table": readable(standing.table) or None,
        "origin": readable(standing.origin),
        "rule": _rule(standing.rule),
    }


def _rule(rule: Rule) -> dict[str, Any]:
    counters = {"packets": rule.counters.packets, "bytes": rule.counters.bytes} if rule.counters else None
    return {
        "text": readable(str(rule)),
        "chain": rule.home,
        "number": rule.number,
        "line": rule.line,
        "counters": counters,
    }


def _packet(packet: Packet) -> dict[str, Any]:
    return {
        "text": str(packet),
        "source": str(packet.source),
        "destination": str(packet.destination),
        "in_interface": packet.in_interface or None,
        "out_interface": packet.out_interface or None,
        "protocol": packet.protocol,
        "source_port": packet.source_port,
        "destination_port": packet.destination_port,
        "mark": packet.mark,
    }
