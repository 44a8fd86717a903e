"""``natfix routes``: what the leases want beside what the kernel has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import agent_wiring, options, wiring
from natfix.cli.node import wish_of
from natfix.cli.output import Format, emit, emit_json
from natfix.cli.store_options import StoreOrders, takes_store
from natfix.errors import EXIT_FOUND, EXIT_OK


class Action(StrEnum):
    """What the exit code tells."""

    SHOW = "show"
    CHECK = "check"


@takes_store
def routes(
    action: Annotated[Action, typer.Argument(help="Only show them, or end with 1 where the kernel differs.")] = Action.SHOW,
    public_ip: Annotated[
        str | None, typer.Option("--public-ip", metavar="ADDRESS", help="Where peers reach this host, if it is not on it.")
    ] = None,
    public_ipv6: Annotated[str | None, typer.Option("--public-ipv6", metavar="ADDRESS", help="The same for IPv6.")] = None,
    iface: Annotated[
        list[str] | None, typer.Option("--iface", metavar="NAME", help="The device that peers are reached through.")
    ] = None,
    output: options.OutputFormat = Format.TEXT,
    *,
    store: StoreOrders,
) -> None:
    """Show for each peer what its lease wants of this host's kernel, and what is there.

    Exit code 0: shown, or check: the kernel has what the leases want; 1: check, and it has not; 2: it could not be looked at.
    """
    from natfix.app.node.compare import compare  # noqa: PLC0415
    from natfix.report.routes import routes_document, routes_lines  # noqa: PLC0415

    wish = wish_of(iface, None, None, (public_ip, public_ipv6))
    report = compare(agent_wiring.surveyed(store, wish), wiring.data_plane())
    if output is Format.JSON:
        emit_json(routes_document(report))
    else:
        emit(routes_lines(report))
    raise typer.Exit(EXIT_FOUND if action is Action.CHECK and not report.right else EXIT_OK)
