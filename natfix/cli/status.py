"""``natfix status``: what holds now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK

if TYPE_CHECKING:
    from natfix.report.changes import Status


def status(
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    rules: options.Rules = None,
    watcher: Annotated[
        bool,
        typer.Option(
            "--watcher", help="Believe the running watcher where it says that all is right: for a probe that asks often."
        ),
    ] = False,
) -> None:
    """Tell whether the running rules and the saved files are right, what natfix did last, and what waits.

    Exit code 0: all is right; 1: something is not; 2: it could not be told.
    """
    from natfix.report.change_document import status_document  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_text import status_lines  # noqa: PLC0415

    def look() -> Status:
        from natfix.app.status import look  # noqa: PLC0415

        return look(wiring.machine(0), wiring.wishes(cluster_cidr or [], rules or []))

    result = wiring.said_by_watcher(look) if watcher else look()
    if output is Format.JSON:
        emit_json(status_document(result))
    else:
        emit(status_lines(result))
    raise typer.Exit(EXIT_OK if result.right else EXIT_FOUND)
