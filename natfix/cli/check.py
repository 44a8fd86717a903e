"""``natfix check``: which rules hide container addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from natfix.cli import options, rule_wiring, wiring
from natfix.cli.output import complain
from natfix.errors import EXIT_FOUND, EXIT_OK, NatfixError
from natfix.report.formats import ReportFormat

if TYPE_CHECKING:
    from natfix.audit import Severity
    from natfix.report.model import CheckResult


def check(
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="iptables-save texts; - is standard input. Without any: this host."),
    ] = None,
    cluster_cidr: options.ClusterCidr = None,
    printed: Annotated[ReportFormat, typer.Option("--format", help="How to print the result.")] = ReportFormat.TEXT,
    output: Annotated[
        list[str] | None,
        typer.Option("--output", metavar="FORMAT=FILE", help="Write the result to a file too, in any format; may be repeated."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="SEVERITY", help="Exit 1 only for findings at least this bad: high, medium, low or info.")
    ] = "low",
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 although there are findings.")] = False,
    rules: options.Rules = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="FILE", help="Leave out the findings that this file knows.")
    ] = None,
    write_baseline: Annotated[
        str | None, typer.Option("--write-baseline", metavar="FILE", help="Let this file know all that is found now.")
    ] = None,
    metrics_textfile: Annotated[
        str, typer.Option(metavar="PATH", help="Write the outcome for node_exporter's textfile collector to this file.")
    ] = "",
) -> None:
    """Say which rules hide container addresses from the rest of the cluster, with the packet that proves it.

    Changes nothing. Exit code 0: nothing found; 1: findings; 2: it, or one of several sources, could not be looked at.
    """
    from natfix.audit import Severity  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.cli.progress import progress  # noqa: PLC0415
    from natfix.cli.reports import Reports  # noqa: PLC0415

    threshold, sources = Severity.parse(fail_on), source or []
    reports = Reports.wanted(printed, output or [], sources, metrics_textfile)
    with _measured(metrics_textfile, cluster_cidr or [], live=not sources) as measure:
        with progress(len(sources)) as told:
            result = wiring.check(sources, cluster_cidr or [], rules or [], charts=reports.pictured, told=told)
        if write_baseline:
            rule_wiring.write_baseline(result, write_baseline)
        for known in dict.fromkeys(filter(None, (write_baseline, baseline))):
            result = rule_wiring.without_known(result, known)
        if reports.pictured and len(sources) > 1:
            result = wiring.illustrated(result, cluster_cidr or [], rules or [])
        reports.put(result, threshold)
        for each in result.unread:
            complain(each)
        code = _code(result, threshold)
        measure(result, code)
    raise typer.Exit(EXIT_OK if code == EXIT_FOUND and exit_zero else code)


def _code(result: CheckResult, threshold: Severity) -> int:
    if result.unread:
        return max(each.exit_code for each in result.unread)
    return EXIT_FOUND if result.at_least(threshold) else EXIT_OK


@contextmanager
def _measured(path: str, cidrs: Sequence[str], *, live: bool) -> Iterator[Callable[[CheckResult, int], None]]:
    """Give what tells the monitoring how a check ended; that it could not be done is told here."""
    if not path:
        yield lambda *_: None
        return
    from natfix.cli.metrics_wiring import CheckMetrics  # noqa: PLC0415

    metrics = CheckMetrics(path, cidrs, live=live)
    try:
        yield metrics.ended
    except NatfixError as error:
        metrics.failed(error)
        raise
