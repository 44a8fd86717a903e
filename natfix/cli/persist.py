"""``natfix persist``: save natfix's corrections."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json


def persist(
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    file: options.SaveFile = None,
    full: Annotated[
        bool, typer.Option("--full", help="Save the whole running ruleset instead, other programs' live chains included.")
    ] = False,
    wait: options.Wait = 5,
    rules: options.Rules = None,
) -> None:
    """Save natfix's corrections, and nothing else, into the file that is loaded at boot.

    The running rules stay as they are. Exit codes as for `natfix apply`.
    """
    from natfix.app.apply import apply_change, preview  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.change_text import change_lines  # noqa: PLC0415

    wishes = wiring.wishes(cluster_cidr or [], rules or [], kernel=False, full=full, file=file)
    result = (preview if dry_run else apply_change)(wiring.machine(wait), wishes, "persist")
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))
