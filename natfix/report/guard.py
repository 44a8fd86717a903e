"""The guard for people and for programs: what it keeps, whether that is what it should keep, what was changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from natfix.audit.guard import Guard, nft_family, table_name
from natfix.report.changes import Change
from natfix.report.document import cluster_document, headed, readable
from natfix.report.lines import Line, Style, diff_lines
from natfix.report.model import ClusterOrigin
from natfix.report.text import cluster_lines, count
from natfix.ruleset import Family

Verb: TypeAlias = Literal["on", "off", "status"]
Condition: TypeAlias = Literal["on", "off", "missing", "incomplete", "altered"]

_MEANINGS: dict[Condition, tuple[Style, str]] = {
    "on": ("good", "on"),
    "off": ("", "off"),
    "missing": ("bad", "gone, although it was turned on; put it back with: natfix guard on"),
    "incomplete": ("bad", "does not keep every container subnet of this host; complete it with: natfix guard on"),
    "altered": ("bad", "not as natfix writes it, somebody changed it; put it right with: natfix guard on"),
}


@dataclass(frozen=True, slots=True)
class GuardTable:
    """One family's table.

    Attributes:
        family: IPv4 or IPv6.
        condition: how it is.
        guard: what it keeps; None when it is not there, or nobody can tell.
    """

    family: Family
    condition: Condition
    guard: Guard | None = None


@dataclass(frozen=True, slots=True)
class GuardReport:
    """What ``natfix guard`` saw or did.

    Attributes:
        verb: what it was asked for.
        done: whether something was changed.
        tables: the tables as they are now, or would be.
        wanted: whether somebody turned the guard on and nobody off again.
        changes: what was, or would be, changed.
        id: names the change for ``natfix undo``; empty when nothing was changed.
        connections: tracked connections that carried an old rewrite and were dropped.
        clusters: the clusters that decided.
        notes: what else the reader should know.
    """

    verb: Verb
    done: bool
    tables: tuple[GuardTable, ...]
    wanted: bool
    changes: tuple[Change, ...] = ()
    id: str = ""
    connections: int = 0
    clusters: tuple[ClusterOrigin, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def right(self) -> bool:
        """Whether every table is as it should be, on or off."""
        return all(table.condition in {"on", "off"} for table in self.tables)


def guard_lines(report: GuardReport) -> Iterator[Line]:
    """What ``natfix guard`` saw or did."""
    yield from cluster_lines(report.clusters)
    for change in report.changes:
        yield from diff_lines(change.diff)
    if report.changes:
        yield Line()
    yield from (Line(f"note: {note}", "warn") for note in report.notes)
    if report.verb == "status":
        for table in report.tables:
            yield from _table_lines(table)
    else:
        yield from _outcome(report)


def meaning(condition: Condition) -> str:
    """What a condition means, and what to do about it."""
    return _MEANINGS[condition][1]


def _table_lines(table: GuardTable) -> Iterator[Line]:
    yield Line(f"{table_name(table.family)}: {meaning(table.condition)}", _MEANINGS[table.condition][0])
    if table.guard is None:
        return
    for locality in table.guard.localities:
        networks = ", ".join(map(str, locality.networks))
        home = f", unless they leave by {locality.bridge}" if locality.bridge else ""
        yield Line(f"    packets from {networks} keep their address{home}")
    yield Line(f"    on their way to {', '.join(map(str, table.guard.cluster))}")
    yield Line(f"    {count(table.guard.connections, 'connection')} kept so far", "dim")


def _outcome(report: GuardReport) -> Iterator[Line]:
    places = ", ".join(change.place for change in report.changes)
    if not report.done:
        told = f"natfix guard {report.verb} would change {places}" if places else f"nothing to do: the guard is {report.verb}"
        yield Line(told, "warn" if places else "")
        return
    yield Line(f"the guard is {report.verb}: {places or 'no table changed'}", "good")
    if report.connections:
        yield Line(f"dropped {count(report.connections, 'tracked connection')} that still carried the old rewrite")
    yield Line(f"undo with: natfix undo {report.id}", "dim")


def guard_document(report: GuardReport) -> dict[str, Any]:
    """What ``natfix guard`` saw or did; docs/schemas/guard-1.json."""
    return headed(
        verb=report.verb,
        done=report.done,
        id=report.id or None,
        right=report.right,
        wanted=report.wanted,
        clusters=[cluster_document(cluster) for cluster in report.clusters],
        tables=[_table_document(table) for table in report.tables],
        changes=[_change_document(change) for change in report.changes],
        connections=report.connections,
        notes=list(report.notes),
    )


def _table_document(table: GuardTable) -> dict[str, Any]:
    guard = table.guard
    return {
        "table": f"{nft_family(table.family)} natfix",
        "family": table.family.name.lower(),
        "condition": table.condition,
        "cluster": [str(network) for network in guard.cluster] if guard else [],
        "subnets": [
            {"networks": [str(network) for network in locality.networks], "bridge": locality.bridge or None}
            for locality in (guard.localities if guard else ())
        ],
        "kept": guard.connections if guard else 0,
    }


def _change_document(change: Change) -> dict[str, Any]:
    return {"place": change.place, "diff": [readable(line) for line in change.diff], "script": change.script}
