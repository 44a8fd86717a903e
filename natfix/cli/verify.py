"""``natfix node verify``, beside the agent's own options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from natfix.cli import agent_wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK

if TYPE_CHECKING:
    from natfix.app.node.interface import InterfaceWish
    from natfix.cli.store_options import StoreOrders


def verify(store: StoreOrders, wish: InterfaceWish, port: int, count: int, output: Format) -> None:
    """Try every peer, and print what came of it."""
    from natfix.app.node.verify import verify as use_case  # noqa: PLC0415
    from natfix.report.verification import verification_document, verification_lines  # noqa: PLC0415

    report = use_case(agent_wiring.surveyed(store, wish), agent_wiring.prober(), port=port, count=count)
    if output is Format.JSON:
        emit_json(verification_document(report))
    else:
        emit(verification_lines(report))
    raise typer.Exit(EXIT_OK if report.right else EXIT_FOUND)
