"""``natfix undo``: take a change back."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import NatfixError

if TYPE_CHECKING:
    from natfix.report.changes import ChangeResult

_TRIES = 900
_PAUSE = 2.0


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
        result = _insist(lambda: use_case.undo_unconfirmed(wiring.machine(wait), change))
    else:
        result = use_case.undo(wiring.machine(wait), change, dry_run=dry_run)
    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(change_lines(result))


def _insist(undo_it: Callable[[], ChangeResult]) -> ChangeResult:
    """Try for half an hour: nobody reads what the watchdog says, and who is locked out has nothing else to hope for."""
    for _ in range(_TRIES):
        with contextlib.suppress(NatfixError):
            return undo_it()
        time.sleep(_PAUSE)
    return undo_it()
