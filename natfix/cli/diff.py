"""``natfix diff``: what apply would change."""

from __future__ import annotations

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK


def diff(
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    no_persist: options.NoPersist = False,
    file: options.SaveFile = None,
    leave_guarded: options.LeaveGuarded = False,
    rules: options.Rules = None,
) -> None:
    """Show exactly what `natfix apply` would change, in the kernel and in files; change nothing.

    Exit code 0: nothing would change; 1: something would; 2: it could not be done.
    """
    from natfix.app.apply import preview  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.change_text import change_lines  # noqa: PLC0415

    machine = wiring.machine(0)
    wishes = wiring.wishes(cluster_cidr or [], rules or [], persist=not no_persist, file=file, leave_guarded=leave_guarded)
    result = preview(machine, wishes)
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))
    raise typer.Exit(EXIT_FOUND if result.changes else EXIT_OK)
