"""Results as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from natfix.audit import Finding, Severity
from natfix.plan import is_correctable
from natfix.report.lines import Line, Style, diff_lines
from natfix.report.model import ChangeResult, CheckedTable, CheckResult, ClusterOrigin, PastChange, PlaceStatus, Status
from natfix.ruleset import Rule

_STYLES: dict[Severity, Style] = {Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.LOW: "warn", Severity.INFO: "dim"}


def check_lines(result: CheckResult) -> Iterator[Line]:
    """What a check found."""
    yield from _clusters(result.clusters)
    for table in result.tables:
        yield Line(f"{table.source}: {_count(table.rules, 'rule')} in nat POSTROUTING and what it reaches", "dim")
    yield from (Line(f"note: {note}", "warn") for note in result.notes)
    for table in result.tables:
        for finding in table.findings:
            yield Line()
            yield from finding_lines(finding, table)
    yield Line()
    yield _summary(result)


def finding_lines(finding: Finding, table: CheckedTable | None = None) -> Iterator[Line]:
    """One finding, with the packet that proves it."""
    kind, rule = finding.kind, finding.rule
    where = f"{_place(table, rule)}" if table else f"nat {rule.chain}, rule {rule.number}"
    sure = "" if finding.certain else " (possible)"
    yield Line(f"{kind.id} {kind.severity}{sure} {kind.name}: {where}", _STYLES[kind.severity])
    yield Line(f"    {rule}", "strong")
    yield Line(f"  {finding.message}")
    if finding.packet is not None:
        yield Line(f"  packet   {finding.packet}")
        yield Line(f"  way      {_way(finding.path)}")
        yield Line(f"  source   {finding.packet.source} becomes {finding.becomes}")
    if finding.unknown:
        yield Line(f"  depends  on what natfix cannot evaluate: {'; '.join(finding.unknown)}")
    if finding.behind is not None:
        yield Line(f"  behind   rule {finding.behind.number} of {finding.behind.chain}, which decides as long as it stands")
    yield Line(f"  cure     {_cure(finding)}")


def change_lines(result: ChangeResult) -> Iterator[Line]:
    """What a command changed, or would change."""
    yield from _clusters(result.clusters)
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
    yield from _clusters(status.clusters)
    if not status.places:
        yield Line("no nat rules and no saved ruleset: nothing on this host rewrites addresses with iptables")
    for place in status.places:
        yield Line(f"{place.place}: {_condition(place)}", "good" if place.right else "bad")
    yield from (Line(f"note: {note}", "warn") for note in status.notes)
    if status.last:
        yield Line(f"last change: {status.last.id} {status.last.verb} by natfix {status.last.version}, {status.last.state}", "dim")
    for change in status.waiting:
        what = "waits for: natfix confirm" if change.state == "waiting" else f"was not finished; take it back with: natfix undo {change.id}"
        yield Line(f"{change.id} {what}", "warn")


def _condition(place: PlaceStatus) -> str:
    if place.findings:
        return f"{_count(place.findings, 'finding')}; see: natfix check"
    return "right" if place.right else "lacks a correction; see: natfix diff"


def _outcome(result: ChangeResult) -> Iterator[Line]:
    if not result.changes:
        yield Line("nothing to do: no rule that natfix corrects hides a container address" if result.verb == "apply" else "nothing to do")
    elif not result.done:
        yield Line(f"natfix {result.verb} would change {_places(result)}", "warn")
    else:
        done = {"apply": "corrected", "persist": "saved", "undo": "undone"}[result.verb]
        yield Line(f"{done}: {_places(result)}", "good")
        if result.connections:
            yield Line(f"dropped {_count(result.connections, 'tracked connection')} that still carried the old rewrite")
        if result.id:
            yield Line(f"undo with: natfix undo {result.id}", "dim")
    if result.confirm_within:
        yield Line(f"undone in {result.confirm_within:g} s unless a new login says: natfix confirm", "bad")


def _places(result: ChangeResult) -> str:
    return ", ".join(change.place for change in result.changes)


def _clusters(clusters: Iterable[ClusterOrigin]) -> Iterator[Line]:
    for cluster in clusters:
        networks = ", ".join(map(str, cluster.networks))
        guess = "; a guess" if cluster.guessed else ""
        yield Line(f"cluster {networks} (from {cluster.origin}{guess})", "warn" if cluster.guessed else "dim")


def _place(table: CheckedTable, rule: Rule) -> str:
    if table.live:
        return f"{table.source}, nat {rule.chain}, rule {rule.number}"
    return f"{table.source}, line {rule.line} (nat {rule.chain}, rule {rule.number})"


def _way(path: Iterable[Rule]) -> str:
    return " -> ".join(f"{rule.chain} rule {rule.number} -{'g' if rule.is_goto else 'j'} {rule.target}" for rule in path)


def _cure(finding: Finding) -> str:
    if is_correctable(finding):
        return "natfix apply" + (" deletes it" if finding.kind.fix == "delete" else " excludes the cluster from it")
    return finding.kind.remediation.replace("\n", "\n           ")


def _summary(result: CheckResult) -> Line:
    counts = [f"{number} {severity}" for severity, number in result.counts()]
    if not counts:
        return Line("no rule hides a container address inside the cluster", "good")
    return Line(f"{_count(len(result.findings), 'finding')}: {', '.join(counts)}", "bad")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
