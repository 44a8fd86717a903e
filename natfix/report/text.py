"""What a check found, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from natfix.audit import Finding, Severity
from natfix.audit.guard import table_name
from natfix.packets import Packet
from natfix.report.lines import Line, Style, shown
from natfix.report.model import EACH, CheckedTable, CheckResult, ClusterOrigin
from natfix.report.which import said
from natfix.ruleset import Rule
from natfix.ruleset.rule import as_written

if TYPE_CHECKING:  # Start-up time.
    from natfix.report.gathered import Group

SHOWN = 3
FORMS = 5

_STYLES: dict[Severity, Style] = {Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.LOW: "warn", Severity.INFO: "dim"}


def check_lines(result: CheckResult) -> Iterator[Line]:
    """What a check found: each finding, or with many sources each kind of finding, with its first case as an example."""
    many = len(result.sources) > EACH
    yield from cluster_lines(result.clusters)
    yield from _many_lines(result) if many else _each_lines(result)
    yield Line()
    if len(result.sources) > 1 and any(len(group.places) > 1 for group in result.groups):
        yield from (_group_line(group) for group in result.groups)
    yield from (Line(shown(f"not read: {each.source}: {each.problem}"), "bad") for each in result.unread)
    yield verdict(result)


def _each_lines(result: CheckResult) -> Iterator[Line]:
    for table in result.tables:
        subnets = f"; container subnets {', '.join(map(str, table.subnets))}" if table.subnets else ""
        yield Line(f"{table.source}: {count(table.rules, 'rule')} in nat POSTROUTING and what it reaches{subnets}", "dim")
    yield from (Line(f"note: {note}", "warn") for note in result.notes)
    for table in result.tables:
        for finding in table.findings:
            yield Line()
            yield from finding_lines(finding, table)


def _many_lines(result: CheckResult) -> Iterator[Line]:
    rules = sum(table.rules for table in result.tables)
    yield Line(f"{len(result.sources)} sources, {count(len(result.tables), 'nat table')}, {rules} rules looked at", "dim")
    yield from (Line(f"note: {note}", "warn") for note in result.notes[:EACH])
    if len(result.notes) > EACH:
        yield Line(f"note: {len(result.notes) - EACH} more notes; --format json has them all", "warn")
    for group in result.groups:
        yield from _cases(group)


def _cases(group: Group) -> Iterator[Line]:
    """What findings of one kind have in common, each with its first as an example."""
    for case in group.cases[:FORMS]:
        first, *others = case.places
        yield Line()
        yield from finding_lines(first.finding, first.table)
        if others:
            yield Line(shown(f"  also     {'; '.join(place_of(each.table, each.finding) for each in others[:SHOWN])}"))
        if len(others) > SHOWN:
            yield Line(f"           and {len(others) - SHOWN} more; --format json has them all")
        if any(case.own):
            yield Line(shown(f"  alike    {case.shape}"))
    if rest := group.cases[FORMS:]:
        found = sum(len(case.places) for case in rest)
        yield Line()
        yield Line(f"{group.kind.id} in {count(len(rest), 'more form')}, {count(found, 'finding')}; --format json has them all")


def _group_line(group: Group) -> Line:
    found = f"{count(len(group.places), 'finding')} in {count(group.sources, 'source')}"
    return Line(f"{group.kind.id} {group.severity} {group.kind.name}: {found}", _STYLES[group.severity])


def finding_lines(finding: Finding, table: CheckedTable | None = None) -> Iterator[Line]:
    """One finding, with the packet that proves it."""
    kind, rule = finding.kind, finding.rule
    where = place_of(table, finding) if table else f"{finding.table} {rule.home}, rule {rule.number}"
    sure = "" if finding.certain else " (possible)"
    yield Line(f"{kind.id} {finding.severity}{sure} {kind.name}: {where}", _STYLES[finding.severity])
    yield Line(shown(f"    {rule}"), "strong")
    yield Line(shown(f"  {said(finding)}"))
    if finding.packet is not None:
        yield Line(f"  packet   {finding.packet}")
        yield Line(f"  way      {_way(finding.path)}")
        yield _fate(finding, finding.packet)
    if finding.unknown:
        yield Line(shown(f"  depends  on what natfix cannot evaluate: {'; '.join(finding.unknown)}"))
    yield from (Line(shown(f"  marked   by {standing}: {standing.rule}")) for standing in finding.marked)
    if finding.behind is not None:
        yield Line(f"  behind   rule {finding.behind.number} of {finding.behind.home}, which comes first as long as it stands")
    if finding.first is not None:
        yield Line(shown(f"  behind   {finding.first}, which comes first as long as it stands"))
    told = cure(finding).replace("\n", "\n           ")
    yield Line(f"  cure     {told}")


def cluster_lines(clusters: Iterable[ClusterOrigin]) -> Iterator[Line]:
    """The clusters that decided, each with its origin."""
    for cluster in clusters:
        networks = ", ".join(map(str, cluster.networks))
        guess = "; a guess" if cluster.guessed else ""
        yield Line(f"cluster {networks} (from {cluster.origin}{guess})", "warn" if cluster.guessed else "dim")


def place_of(table: CheckedTable, finding: Finding) -> str:
    """Where a finding is: the line of a file, or the number of a rule of a host; neither for what is no rule."""
    return f"{table.origin}{': ' if table.file else ', '}{spot_of(table, finding)}"


def spot_of(table: CheckedTable, finding: Finding) -> str:
    """Where a finding is inside of its source."""
    rule = finding.rule
    number = f", rule {rule.number}" if rule.number else ""
    place = f"{finding.table} {rule.home}".rstrip() + number
    if table.file:
        return f"{table.source.removeprefix(f'{table.file}: ')}, {place}"
    if table.live or not rule.line or rule.native:
        return place
    return f"line {rule.line} ({place})"


def _fate(finding: Finding, packet: Packet) -> Line:
    if not finding.becomes:
        return Line("  end      dropped, and nobody is told")
    becomes = "would become" if finding.shielded_by else "becomes"
    return Line(f"  source   {packet.source} {becomes} {finding.becomes}")


def _way(path: Iterable[Rule]) -> str:
    return " -> ".join(
        f"{rule.home} rule {rule.number} -{'g' if rule.is_goto else 'j'} {rule.target}" for rule in as_written(path)
    )


def cure(finding: Finding) -> str:
    """What ends a finding."""
    if finding.correctable:
        return "natfix apply" + (" deletes it" if finding.kind.fix == "delete" else " excludes the cluster from it")
    if finding.marked:
        return f"none by natfix apply, which leaves other tables alone: exclude the cluster where {finding.marked[-1]} marks it"
    if finding.kind.fix != "none":
        return "none by natfix apply, which leaves alone what is only possible: look at what it depends on"
    return finding.kind.remediation


def verdict(result: CheckResult) -> Line:
    """The whole result in one line."""
    unread = f"; {count(len(result.unread), 'source')} could not be read" if result.unread else ""
    counts = [f"{number} {severity}" for severity, number in result.counts()]
    if not counts:
        clean = "no rule hides a container address inside the cluster"
        if result.left_out:
            clean = f"nothing but {count(result.left_out, 'finding')} that somebody suppressed or that is known"
        return Line(f"{clean}{unread}", "bad" if unread else "good")
    found = f"{count(len(result.findings), 'finding')}: {', '.join(counts)}"
    if all(finding.shielded_by for finding in result.findings):
        guarded = all(finding.shielded_by == table_name(table.family) for table in result.tables for finding in table.findings)
        why = "harmless behind the guard" if guarded else "harmless as things stand"
        harmless = f"{found}; {why}, no container address is hidden"
        return Line(f"{harmless}{unread}", "bad" if unread else "good")
    return Line(f"{found}{unread}", "bad")


def count(number: int, thing: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
