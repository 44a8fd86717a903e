"""``natfix net``: the configuration of the cluster's network."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import node_wiring, options
from natfix.cli.output import Format, emit, emit_json
from natfix.cli.store_options import StoreOrders, takes_store
from natfix.errors import EXIT_FOUND, EXIT_OK, UsageError


class Action(StrEnum):
    """What to do with the configuration."""

    SET = "set"
    SHOW = "show"


@takes_store
def net(
    action: Annotated[Action, typer.Argument(help="Write it, or show it.")],
    config: Annotated[
        str | None,
        typer.Argument(
            metavar="JSON", help="""set: such as '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}', or -."""
        ),
    ] = None,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what set would change.")] = False,
    *,
    store: StoreOrders,
) -> None:
    """Configure the network that every host leases its subnet from, as flannel and natfix read it.

    Exit code 0: written, nothing to do, or shown; 1: show, and there is none, or none that a host could work with; 2: it could
    not be done, or the configuration says something impossible; 3: somebody else has written another one meanwhile.
    """
    from natfix.app import network  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.network import net_document, net_lines  # noqa: PLC0415

    leases = node_wiring.lease_store(store)
    if action is Action.SHOW:
        if config is not None:
            raise UsageError("natfix net show takes no configuration")
        report = network.show(leases)
    else:
        report = network.configure(leases, _told(config), dry_run=dry_run)
    if output is Format.JSON:
        emit_json(net_document(report))
    else:
        emit(net_lines(report))
    raise typer.Exit(EXIT_OK if report.right else EXIT_FOUND)


def _told(config: str | None) -> str:
    if config is None:
        raise UsageError(
            "natfix net set needs the configuration",
            hint="""Write for example: natfix net set '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'""",
        )
    return sys.stdin.read() if config == "-" else config
