"""``natfix undo``: take a change back."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json


def undo(
    change: Annotated[str | None, typer.Argument(metavar="[ID]", help="Which change; without it the newest.")] = None,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    unless_confirmed: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", hidden=True, help="Wait so long, then undo the change if nobody has confirmed it."),
    ] = None,
    wait: options.Wait = 5,
) -> None:
    """Take one of natfix's own changes back, in kernel and files; what others changed since stays.

    Exit codes as for `natfix apply`.
    """
    from natfix.app import undo as use_case  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.change_text import change_lines  # noqa: PLC0415

    if unless_confirmed is not None and change is not None:
        time.sleep(unless_confirmed)
        result = use_case.undo_unconfirmed(wiring.machine(wait), change)
    else:
        result = use_case.undo(wiring.machine(wait), change, dry_run=dry_run)
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))
