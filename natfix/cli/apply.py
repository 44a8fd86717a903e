"""``natfix apply``: correct the rules."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from natfix.cli import file_wiring, options, text_wiring, wiring
from natfix.cli.output import Format, emit, emit_json, write
from natfix.errors import UsageError


def apply(
    source: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="An iptables-save text to correct instead of this host; needs -o.")
    ] = None,
    result_file: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="PATH", help="Where to put the corrected text; - is standard output."),
    ] = None,
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change, as `natfix diff` does.")] = False,
    no_persist: options.NoPersist = False,
    file: options.SaveFile = None,
    keep_connections: Annotated[
        bool, typer.Option("--keep-connections", help="Leave connections that carry the old rewrite in conntrack.")
    ] = False,
    leave_guarded: options.LeaveGuarded = False,
    confirm: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Undo everything after so long, unless a new login says `natfix confirm`."),
    ] = 0,
    wait: options.Wait = 5,
    rules: options.Rules = None,
) -> None:
    """Correct the rules that hide container addresses, verify, and save the correction for the next boot.

    Exit code 0: done, or nothing to do; 2: it could not be done, and nothing changed; 3: somebody changed the same rules
    meanwhile; 4: done and taken back; 5: a state natfix does not touch; 6: another natfix or a holder of the lock is at work.
    """
    from natfix.app.apply import apply_change, preview  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.change_text import change_lines  # noqa: PLC0415

    if (source is None) != (result_file is None):
        raise UsageError("a SOURCE and -o go together", hint="natfix apply dump.save -o fixed.save")
    if source is not None and result_file is not None:
        text, result = text_wiring.correct(source, cluster_cidr or [], rules or [])
        if result_file == "-":
            write(text.decode("utf-8", "surrogateescape"))
            return
        if not dry_run:
            file_wiring.save_text(result_file, text)
            result = replace(result, done=True)
    else:
        wishes = wiring.wishes(
            cluster_cidr or [],
            rules or [],
            persist=not no_persist,
            file=file,
            keep_connections=keep_connections,
            leave_guarded=leave_guarded,
            confirm=confirm,
        )
        result = (preview if dry_run else apply_change)(wiring.machine(wait), wishes)
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))
