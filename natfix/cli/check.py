"""``natfix check``: which rules hide container addresses."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK


def check(
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SOURCE]...", help="iptables-save texts; - is standard input. Without any: this host."),
    ] = None,
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    fail_on: Annotated[
        str, typer.Option(metavar="SEVERITY", help="Exit 1 only for findings at least this bad: high, medium, low or info.")
    ] = "low",
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit 0 although there are findings.")] = False,
    rules: options.Rules = None,
) -> None:
    """Say which rules hide container addresses from the rest of the cluster, with the packet that proves it.

    Changes nothing. Exit code 0: nothing found; 1: findings; 2: it could not be done.
    """
    from natfix.audit import Severity  # noqa: PLC0415  (start-up time: --help needs none of it)

    threshold = Severity.parse(fail_on)
    result = wiring.check(source or [], cluster_cidr or [], rules or [])
    if output is Format.JSON:
        from natfix.report.document import check_document  # noqa: PLC0415

        emit_json(check_document(result))
    else:
        from natfix.report.text import check_lines  # noqa: PLC0415

        emit(check_lines(result))
    raise typer.Exit(EXIT_FOUND if result.at_least(threshold) and not exit_zero else EXIT_OK)
