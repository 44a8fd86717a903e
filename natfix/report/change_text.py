"""What a command changed, or would change, and what holds now, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from natfix.report.changes import ChangeResult, PastChange, PlaceStatus, Status, Watcher
from natfix.report.lines import Line, Style, diff_lines, shown
from natfix.report.text import cluster_lines, count, finding_lines


def change_lines(result: ChangeResult) -> Iterator[Line]:
    """What a command changed, or would change."""
    yield from cluster_lines(result.clusters)
    for change in result.changes:
        yield from diff_lines(change.diff)
    if result.changes:
        yield Line()
    yield from (Line(f"note: {note}", "warn") for note in result.notes)
    yield from _outcome(result)
    for finding in result.remaining:
        yield Line()
        yield from finding_lines(finding)


def history_lines(changes: Iterable[PastChange]) -> Iterator[Line]:
    """The changes natfix made, oldest first."""
    nothing = True
    for change in changes:
        nothing = False
        style: Style = "warn" if change.state in {"started", "waiting"} else ""
        yield Line(f"{change.id}  {change.at}  {change.verb:7}  {change.state:11}  {', '.join(change.places)}", style)
    if nothing:
        yield Line("natfix has changed nothing on this host")


def status_lines(status: Status) -> Iterator[Line]:
    """What holds on a host."""
    yield from cluster_lines(status.clusters)
    if not status.places:
        yield Line("no nat rules and no saved ruleset: nothing on this host rewrites addresses with iptables")
    for place in status.places:
        yield Line(f"{place.place}: {_condition(place)}", "good" if place.right else "bad")
    yield from (Line(f"note: {note}", "warn") for note in status.notes)
    if status.last:
        yield Line(
            f"last change: {status.last.id} {status.last.verb} by natfix {status.last.version}, {status.last.state}", "dim"
        )
    for change in status.waiting:
        what = (
            "waits for: natfix confirm"
            if change.state == "waiting"
            else f"was not finished; take it back with: natfix undo {change.id}"
        )
        yield Line(f"{change.id} {what}", "warn")
    for left in status.left:
        yield Line(shown(f"left alone since {left.since}, when {left.change} was undone: {left}"), "warn")
    if status.left:
        yield Line("neither natfix watch nor natfix restore corrects that again; you can, with: natfix apply", "warn")
    if status.watcher:
        yield from _watcher_lines(status.watcher)


def _watcher_lines(watcher: Watcher) -> Iterator[Line]:
    if not watcher.alive:
        yield Line(f"the watcher (pid {watcher.pid}) has ended without a word; what it did last may be unfinished", "warn")
        return
    done = count(watcher.corrections, "correction")
    yield Line(f"watched by pid {watcher.pid} since {watcher.since}, {done}")
    if watcher.last:
        yield Line(f"last correction: {shown(watcher.last)}", "dim")
    for rule, writer in watcher.fights.items():
        yield Line(f"{shown(writer) or 'somebody'} keeps putting this rule back: {shown(rule)}", "bad")
    if watcher.refused:
        yield Line(f"the watcher cannot do its work: {shown(watcher.refused)}", "bad")
    if watcher.unguarded:
        yield Line(f"the guard is not on: {shown(watcher.unguarded)}", "bad")
    if watcher.unrecorded:
        yield Line(f"corrected, but natfix undo does not know of it yet: {shown(watcher.unrecorded)}", "warn")
    if watcher.unsaved:
        yield Line(f"not saved for the next boot: {shown(watcher.unsaved)}", "warn")


def _condition(place: PlaceStatus) -> str:
    if place.findings:
        return f"{count(place.findings, 'finding')}; see: natfix check"
    if place.condition:
        return place.condition
    return "right" if place.right else "lacks a correction; see: natfix diff"


def _outcome(result: ChangeResult) -> Iterator[Line]:
    if not result.changes:
        yield Line(
            "nothing to do: no rule that natfix corrects hides a container address"
            if result.verb == "apply" and not result.left
            else "nothing to do"
        )
    elif not result.done:
        yield Line(f"natfix {result.verb} would change {_places(result)}", "warn")
    else:
        done = {"apply": "corrected", "persist": "saved", "undo": "undone"}[result.verb]
        yield Line(f"{done}: {_places(result)}", "good")
        if result.connections:
            yield Line(f"dropped {count(result.connections, 'tracked connection')} that still carried the old rewrite")
        if result.id:
            yield Line(f"undo with: natfix undo {result.id}", "dim")
    if result.confirm_within:
        yield Line(f"undone in {result.confirm_within:g} s unless a new login says: natfix confirm", "bad")


def _places(result: ChangeResult) -> str:
    return ", ".join(change.place for change in result.changes)
