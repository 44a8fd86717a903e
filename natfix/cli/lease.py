"""``natfix lease``: keep a subnet back, or let one go."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import node_wiring, options
from natfix.cli.output import Format, emit, emit_json
from natfix.cli.store_options import StoreOrders, takes_store
from natfix.errors import UsageError


class Action(StrEnum):
    """What to do with a subnet."""

    RESERVE = "reserve"
    RELEASE = "release"


@takes_store
def lease(
    action: Annotated[Action, typer.Argument(help="Keep it from being leased, or let it go.")],
    subnet: Annotated[str, typer.Argument(metavar="CIDR", help="172.7.30.0/24; in dual stack 172.7.30.0/24,fd00:7:30::/64.")],
    host: Annotated[
        str | None, typer.Option("--for", metavar="ADDRESS", help="reserve: keep it for the host with this public address.")
    ] = None,
    held: Annotated[bool, typer.Option("--held", help="release: also what a host holds.")] = False,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would change.")] = False,
    *,
    store: StoreOrders,
) -> None:
    """Keep a subnet from being leased, for good or for one host, or let one go.

    Exit code 0: done, or nothing to do; 2: it could not be done, or a host holds the subnet; 3: somebody else holds it, or has
    changed it meanwhile; 5: this store knows no reservations.
    """
    from natfix.app import leases  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.leases import lease_document, lease_lines  # noqa: PLC0415

    place = node_wiring.lease_store(store)
    wanted = leases.read_subnet(subnet)
    if action is Action.RESERVE:
        if held:
            raise UsageError("--held belongs to natfix lease release")
        report = leases.reserve(place, wanted, leases.read_host(host), dry_run=dry_run)
    else:
        if host is not None:
            raise UsageError("--for belongs to natfix lease reserve")
        report = leases.release(place, wanted, held=held, dry_run=dry_run)
    if output is Format.JSON:
        emit_json(lease_document(report))
    else:
        emit(lease_lines(report))
