"""What a check found, as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from natfix.audit import Finding, Severity
from natfix.packets import Packet
from natfix.report.lines import Line, Style, shown
from natfix.report.model import CheckedTable, CheckResult, ClusterOrigin
from natfix.ruleset import Rule

_STYLES: dict[Severity, Style] = {Severity.HIGH: "bad", Severity.MEDIUM: "warn", Severity.LOW: "warn", Severity.INFO: "dim"}


def check_lines(result: CheckResult) -> Iterator[Line]:
    """What a check found."""
    yield from cluster_lines(result.clusters)
    for table in result.tables:
        subnets = f"; container subnets {', '.join(map(str, table.subnets))}" if table.subnets else ""
        yield Line(f"{table.source}: {count(table.rules, 'rule')} in nat POSTROUTING and what it reaches{subnets}", "dim")
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
    where = _place(table, finding) if table else f"{finding.table} {rule.chain}, rule {rule.number}"
    sure = "" if finding.certain else " (possible)"
    yield Line(f"{kind.id} {finding.severity}{sure} {kind.name}: {where}", _STYLES[finding.severity])
    yield Line(shown(f"    {rule}"), "strong")
    yield Line(shown(f"  {finding.message}"))
    if finding.packet is not None:
        yield Line(f"  packet   {finding.packet}")
        yield Line(f"  way      {_way(finding.path)}")
        yield _fate(finding, finding.packet)
    if finding.unknown:
        yield Line(shown(f"  depends  on what natfix cannot evaluate: {'; '.join(finding.unknown)}"))
    if finding.behind is not None:
        yield Line(f"  behind   rule {finding.behind.number} of {finding.behind.chain}, which comes first as long as it stands")
    yield Line(f"  cure     {_cure(finding)}")


def cluster_lines(clusters: Iterable[ClusterOrigin]) -> Iterator[Line]:
    """The clusters that decided, each with its origin."""
    for cluster in clusters:
        networks = ", ".join(map(str, cluster.networks))
        guess = "; a guess" if cluster.guessed else ""
        yield Line(f"cluster {networks} (from {cluster.origin}{guess})", "warn" if cluster.guessed else "dim")


def _place(table: CheckedTable, finding: Finding) -> str:
    rule = finding.rule
    if table.live:
        return f"{table.source}, {finding.table} {rule.chain}, rule {rule.number}"
    return f"{table.source}, line {rule.line} ({finding.table} {rule.chain}, rule {rule.number})"


def _fate(finding: Finding, packet: Packet) -> Line:
    if not finding.becomes:
        return Line("  end      dropped, and nobody is told")
    becomes = "would become" if finding.shielded_by else "becomes"
    return Line(f"  source   {packet.source} {becomes} {finding.becomes}")


def _way(path: Iterable[Rule]) -> str:
    return " -> ".join(f"{rule.chain} rule {rule.number} -{'g' if rule.is_goto else 'j'} {rule.target}" for rule in path)


def _cure(finding: Finding) -> str:
    if finding.correctable:
        return "natfix apply" + (" deletes it" if finding.kind.fix == "delete" else " excludes the cluster from it")
    if finding.kind.fix != "none":
        return "none by natfix apply, which leaves alone what is only possible: look at what it depends on"
    return finding.kind.remediation.replace("\n", "\n           ")


def _summary(result: CheckResult) -> Line:
    counts = [f"{number} {severity}" for severity, number in result.counts()]
    if not counts:
        return Line("no rule hides a container address inside the cluster", "good")
    found = f"{count(len(result.findings), 'finding')}: {', '.join(counts)}"
    if all(finding.shielded_by for finding in result.findings):
        return Line(f"{found}; harmless behind the guard, no container address is hidden", "good")
    return Line(found, "bad")


def count(number: int, thing: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
