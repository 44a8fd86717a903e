"""``natfix node verify`` and ``natfix node clear``, beside the agent's own options."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from natfix.cli import agent_wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK

if TYPE_CHECKING:
    from natfix.app.node.interface import InterfaceWish
    from natfix.cli.store_options import StoreOrders
    from natfix.report.changes import ChangeResult


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


def clear(store: StoreOrders, wish: InterfaceWish, output: Format, *, dry_run: bool) -> None:
    """Take away what the agent made, and print what that was."""
    from natfix.app.node.clearing import clear as use_case  # noqa: PLC0415

    tell(use_case(agent_wiring.cleared(store), wish, dry_run=dry_run), output)


def tell(result: ChangeResult, output: Format) -> None:
    """Print what was changed, or would be."""
    from natfix.report.change_document import change_document  # noqa: PLC0415
    from natfix.report.node_changes import node_lines  # noqa: PLC0415

    if output is Format.JSON:
        emit_json(change_document(result))
    else:
        emit(node_lines(result))
