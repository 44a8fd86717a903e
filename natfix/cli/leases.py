"""``natfix leases``: who holds which subnet."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import node_wiring, options
from natfix.cli.output import Format, emit, emit_json
from natfix.cli.store_options import StoreOrders, takes_store
from natfix.errors import EXIT_FOUND, EXIT_OK


@takes_store
def leases(
    output: options.OutputFormat = Format.TEXT,
    no_expiry: Annotated[
        bool, typer.Option("--no-expiry", help="Do not ask until when each holds, which takes etcd v3 a request for each.")
    ] = False,
    *,
    store: StoreOrders,
) -> None:
    """Show every lease and reservation: which subnet, whose, until when; and how many subnets are left.

    Exit code 0: there is room for more hosts; 1: a tenth of the subnets or less is left, or there is no network; 2: it could
    not be looked at.
    """
    from natfix.app.leases import look  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.leases import leases_document, leases_lines  # noqa: PLC0415

    report = look(node_wiring.lease_store(store), node_wiring.now(), expiry=not no_expiry)
    if output is Format.JSON:
        emit_json(leases_document(report))
    else:
        emit(leases_lines(report))
    raise typer.Exit(EXIT_OK if report.right else EXIT_FOUND)
