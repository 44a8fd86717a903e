"""``natfix confirm``: keep a change."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import emit
from natfix.report.lines import Line


def confirm(
    same_session: Annotated[
        bool, typer.Option("--same-session", help="Accept it from the login the change was made from.")
    ] = False,
    wait: options.Wait = 5,
) -> None:
    """Keep the change made with `natfix apply --confirm`: say it from a new login, which proves that one can be had.

    Exit code 0: kept; 2: no change waits, or this is the login it was made from.
    """
    from natfix.app.undo import confirm as keep  # noqa: PLC0415  (start-up time: --help needs none of it)

    journey = keep(wiring.machine(wait), same_session=same_session)
    emit([Line(f"kept: {', '.join(journey.places)}", "good"), Line(f"undo with: natfix undo {journey.id}", "dim")])
