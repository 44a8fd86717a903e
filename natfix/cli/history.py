"""``natfix history``: what was changed when."""

from __future__ import annotations

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json


def history(output: options.OutputFormat = Format.TEXT) -> None:
    """Tell what natfix changed on this host, when, by which version, and what became of it."""
    from natfix.app.record import journeys  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.change_document import history_document  # noqa: PLC0415
    from natfix.report.change_text import history_lines  # noqa: PLC0415

    changes = [journey.past() for journey in journeys(wiring.history())]
    if output is Format.JSON:
        emit_json(history_document(changes))
    else:
        emit(history_lines(changes))
