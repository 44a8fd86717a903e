"""``natfix advise``: when Docker's own switch is the better cure."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json


def advise(
    cluster_cidr: options.ClusterCidr = None,
    output: options.OutputFormat = Format.TEXT,
    write: Annotated[bool, typer.Option("--write", help="Write the switch into Docker's daemon.json.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what --write would change.")] = False,
    insist: Annotated[
        bool, typer.Option("--insist", help="Write it although nobody is known to masquerade what leaves the cluster.")
    ] = False,
    wait: options.Wait = 5,
    rules: options.Rules = None,
) -> None:
    """Say when Docker's own switches are the better cure, with the exact edit of daemon.json, and what they do not cover.

    Changes nothing without --write. Exit code 0: said, or written; 2: it could not be done, and nothing was changed.
    """
    from natfix.app import advise as use_case  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.advice import advice_document, advice_lines  # noqa: PLC0415

    host, wishes = wiring.docker_host(wait), wiring.wishes(cluster_cidr or [], rules or [])
    wanted = write and not dry_run
    result = use_case.write_switch(host, wishes, insist=insist) if wanted else use_case.advise(host, wishes)
    if output is Format.JSON:
        emit_json(advice_document(result))
    else:
        emit(advice_lines(result))
