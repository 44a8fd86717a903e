"""Results as JSON documents, whose schemas are in docs/schemas/."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from natfix._version import __version__
from natfix.audit import Finding
from natfix.packets import Packet
from natfix.plan import is_correctable
from natfix.report.model import ChangeResult, CheckedTable, CheckResult, ClusterOrigin, PastChange, Status
from natfix.ruleset import Rule

SCHEMA = 1


def check_document(result: CheckResult) -> dict[str, Any]:
    """What a check found; docs/schemas/check-1.json."""
    return _headed(
        clusters=[_cluster(cluster) for cluster in result.clusters],
        tables=[_table(table) for table in result.tables],
        notes=list(result.notes),
        summary={str(severity): number for severity, number in result.counts()},
    )


def change_document(result: ChangeResult) -> dict[str, Any]:
    """What a command changed, or would change; docs/schemas/change-1.json."""
    return _headed(
        verb=result.verb,
        done=result.done,
        id=result.id or None,
        clusters=[_cluster(cluster) for cluster in result.clusters],
        changes=[{"place": each.place, "diff": list(each.diff), "script": each.script or None} for each in result.changes],
        connections=result.connections,
        confirm_within=result.confirm_within or None,
        remaining=[_finding(finding) for finding in result.remaining],
        notes=list(result.notes),
    )


def history_document(changes: Iterable[PastChange]) -> dict[str, Any]:
    """The changes natfix made; docs/schemas/history-1.json."""
    return _headed(changes=[_past(each) for each in changes])


def status_document(status: Status) -> dict[str, Any]:
    """What holds on a host; docs/schemas/status-1.json."""
    return _headed(
        right=status.right,
        clusters=[_cluster(cluster) for cluster in status.clusters],
        places=[{"place": each.place, "findings": each.findings, "right": each.right} for each in status.places],
        last=_past(status.last) if status.last else None,
        waiting=[_past(each) for each in status.waiting],
        notes=list(status.notes),
    )


def _past(change: PastChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "at": change.at,
        "version": change.version,
        "verb": change.verb,
        "state": change.state,
        "places": list(change.places),
    }


def _headed(**content: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    return {"schema": SCHEMA, "natfix": __version__, **content}


def _cluster(cluster: ClusterOrigin) -> dict[str, Any]:
    return {"networks": [str(each) for each in cluster.networks], "origin": cluster.origin, "guessed": cluster.guessed}


def _table(table: CheckedTable) -> dict[str, Any]:
    return {
        "source": table.source,
        "live": table.live,
        "family": _family(table),
        "rules": table.rules,
        "findings": [_finding(finding) for finding in table.findings],
    }


def _family(table: CheckedTable) -> str:
    return table.family.name.lower()


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.kind.id,
        "name": finding.kind.name,
        "severity": str(finding.kind.severity),
        "certain": finding.certain,
        "message": finding.message,
        "rule": _rule(finding.rule),
        "packet": _packet(finding.packet) if finding.packet else None,
        "path": [_rule(rule) for rule in finding.path],
        "becomes": finding.becomes or None,
        "unknown": list(finding.unknown),
        "behind": _rule(finding.behind) if finding.behind else None,
        "correctable": is_correctable(finding),
        "remediation": finding.kind.remediation,
    }


def _rule(rule: Rule) -> dict[str, Any]:
    counters = {"packets": rule.counters.packets, "bytes": rule.counters.bytes} if rule.counters else None
    return {
        "text": str(rule).encode("utf-8", "surrogateescape").decode("utf-8", "replace"),
        "chain": rule.chain,
        "number": rule.number,
        "line": rule.line,
        "counters": counters,
    }


def _packet(packet: Packet) -> dict[str, Any]:
    return {
        "text": str(packet),
        "source": str(packet.source),
        "destination": str(packet.destination),
        "out_interface": packet.out_interface,
        "protocol": packet.protocol,
        "source_port": packet.source_port,
        "destination_port": packet.destination_port,
        "mark": packet.mark,
    }
