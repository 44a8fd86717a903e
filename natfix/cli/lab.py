"""``natfix lab``: see the fault and its repair on two hosts made for it."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK


class LabBackend(StrEnum):
    """Which iptables the two hosts use."""

    NFT = "nft"
    LEGACY = "legacy"


def lab(
    backend: Annotated[LabBackend, typer.Option(help="The iptables that Docker's rule is put in with.")] = LabBackend.NFT,
    docker: Annotated[bool, typer.Option("--docker", help="Start a real dockerd on each host (root only).")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the hosts until Ctrl-C, and say how to enter them.")] = False,
    output: options.OutputFormat = Format.TEXT,
) -> None:
    """Show on two hosts made for it what the far end of a connection sees, before and after natfix.

    Nothing of this machine is touched, and nothing of the lab stays. Exit code 0: everything was as it should be; 1: not.
    """
    from natfix.app.lab import run_lab  # noqa: PLC0415  (start-up time: --help needs none of it)
    from natfix.report.lab import lab_document, lab_lines  # noqa: PLC0415

    sandbox = wiring.lab_sandbox()
    if not sandbox.inside:
        flags = [flag for flag, wanted in (("--docker", docker), ("--keep", keep)) if wanted]
        raise typer.Exit(sandbox.enter(["lab", f"--backend={backend}", f"--format={output}", *flags]))
    with sandbox.open_hosts(backend.value, docker=docker) as hosts:
        result = run_lab(hosts, _tell)
        entrances = sandbox.entrances() if keep else {}
        if output is Format.JSON:
            emit_json(lab_document(result, entrances))
        else:
            emit(lab_lines(result, entrances))
        if keep:
            sandbox.stay()
    raise typer.Exit(EXIT_OK if result.ok else EXIT_FOUND)


def _tell(line: str) -> None:
    """Say what happens now to somebody who waits at a terminal."""
    if sys.stderr.isatty():
        typer.echo(f"... {line}", err=True)
