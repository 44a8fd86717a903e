"""What a command changed, or would change, and what holds now, as JSON documents, whose schemas are in docs/schemas/."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from natfix.report.changes import Change, ChangeResult, LeftAlone, PastChange, Status, Watcher
from natfix.report.document import cluster_document, finding_document, headed, readable


def change_document(result: ChangeResult) -> dict[str, Any]:
    """What a command changed, or would change; docs/schemas/change-1.json."""
    return headed(
        verb=result.verb,
        done=result.done,
        id=result.id or None,
        clusters=[cluster_document(cluster) for cluster in result.clusters],
        changes=[_change(each) for each in result.changes],
        connections=result.connections,
        confirm_within=result.confirm_within or None,
        remaining=[finding_document(finding) for finding in result.remaining],
        notes=list(result.notes),
    )


def history_document(changes: Iterable[PastChange]) -> dict[str, Any]:
    """The changes natfix made; docs/schemas/history-1.json."""
    return headed(changes=[_past(each) for each in changes])


def status_document(status: Status) -> dict[str, Any]:
    """What holds on a host; docs/schemas/status-1.json."""
    return headed(
        right=status.right,
        clusters=[cluster_document(cluster) for cluster in status.clusters],
        places=[{"place": each.place, "findings": each.findings, "right": each.right} for each in status.places],
        last=_past(status.last) if status.last else None,
        waiting=[_past(each) for each in status.waiting],
        notes=list(status.notes),
        watcher=_watcher(status.watcher) if status.watcher else None,
        left=[_left(each) for each in status.left],
    )


def _left(left: LeftAlone) -> dict[str, Any]:
    return {"place": left.place, "rule": readable(left.rule) or None, "change": left.change, "since": left.since}


def _watcher(watcher: Watcher) -> dict[str, Any]:
    return {
        "pid": watcher.pid,
        "alive": watcher.alive,
        "since": watcher.since,
        "corrections": watcher.corrections,
        "last": readable(watcher.last) or None,
        "fights": [{"rule": readable(rule), "writer": readable(who) or None} for rule, who in watcher.fights.items()],
        "refused": readable(watcher.refused) or None,
        "unsaved": readable(watcher.unsaved) or None,
        "unrecorded": readable(watcher.unrecorded) or None,
        "findings": watcher.findings,
        "unguarded": readable(watcher.unguarded) or None,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "place": change.place,
        "diff": [readable(line) for line in change.diff],
        "script": readable(change.script) or None,
    }


def _past(change: PastChange) -> dict[str, Any]:
    return {
        "id": change.id,
        "at": change.at,
        "version": change.version,
        "verb": change.verb,
        "state": change.state,
        "places": list(change.places),
    }
