"""``natfix uninstall``: take away what install put in place."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.install import Root, tell
from natfix.cli.output import Format


def uninstall(
    root: Root = "/",
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
) -> None:
    """Stop and remove what `natfix install` put in place, and nothing else; the corrected rules stay as they are.

    The guard is turned off if install had turned it on. A unit file that was changed since stays, and is named. Exit codes as
    for `natfix install`.
    """
    from natfix.app import guard as guarding  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.app import install as use_case  # noqa: PLC0415

    units = wiring.units(root)
    guarded = use_case.Installed.recall(units).guard
    result = use_case.uninstall(units, dry_run=dry_run)
    tell(result, guarding.turn_off(wiring.machine(5), dry_run=dry_run) if guarded else None, output)
