"""``natfix guard``: no moment in which a container's address is hidden."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK, UsageError


class Action(StrEnum):
    """What to do with the guard."""

    ON = "on"
    OFF = "off"
    STATUS = "status"


def guard(
    action: Annotated[Action, typer.Argument(help="Turn it on, turn it off, or tell how it is.")],
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what on or off would change.")] = False,
    keep_connections: Annotated[
        bool, typer.Option("--keep-connections", help="Leave connections that carry the old rewrite in conntrack.")
    ] = False,
    forget: Annotated[
        bool,
        typer.Option("--forget", help="With off: forget too that it was ever on; a watcher told to guard begins anew."),
    ] = False,
    wait: options.Wait = 5,
) -> None:
    """Keep the addresses of this host's containers before any other nat rule is asked, Docker's included.

    An nft table of natfix's own, which a restart of Docker does not touch. Exit code 0: done, nothing to do, or as it should
    be; 1: status, and the guard is not as it should be; 2: it could not be done; 4: done and taken back; 5: this kernel's nat
    chains exclude each other; 6: another natfix is at work.
    """
    from natfix.app import guard as use_case  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.guard import guard_document, guard_lines  # noqa: PLC0415

    if forget and action is not Action.OFF:
        raise UsageError("--forget is for natfix guard off", hint="natfix guard off --forget")
    machine = wiring.machine(wait)
    if action is Action.OFF:
        report = use_case.turn_off(machine, dry_run=dry_run, forget=forget)
    else:
        clusters = wiring.all_clusters(cluster_cidr or [])
        if action is Action.ON:
            report = use_case.turn_on(machine, clusters, dry_run=dry_run, keep_connections=keep_connections)
        else:
            report = use_case.look(machine, clusters)
    if output is Format.JSON:
        emit_json(guard_document(report))
    else:
        emit(guard_lines(report))
    raise typer.Exit(EXIT_OK if report.right else EXIT_FOUND)
