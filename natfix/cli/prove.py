"""``natfix prove``: the kernel as judge."""

from __future__ import annotations

from typing import Annotated

import typer

from natfix.cli import options, wiring
from natfix.cli.output import Format, emit, emit_json
from natfix.errors import EXIT_FOUND, EXIT_OK


def prove(
    source: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="iptables-save texts, nft listings, files of natfix collect; - is standard input. Without any: this host.",
        ),
    ] = None,
    cluster_cidr: options.ClusterCidr = None,
    legacy: Annotated[bool, typer.Option("--legacy", help="Load texts with iptables-legacy instead of iptables-nft.")] = False,
    ipsets: Annotated[
        str | None, typer.Option(metavar="FILE", help="What `ipset save` printed on the host of the texts.")
    ] = None,
    output_format: options.OutputFormat = Format.TEXT,
    rules: options.Rules = None,
) -> None:
    """Load the rules in a network namespace made for it, send the packets natfix speaks of, and look at the far end.

    Nothing of this host is touched, and nothing is left behind. Exit code 0: the kernel agrees; 1: it disagrees.
    """
    from natfix.report.proof import proof_document, proof_lines  # noqa: PLC0415  (start-up time)

    result = wiring.prove(source or [], cluster_cidr or [], rules or [], legacy=legacy, ipsets=ipsets)
    if output_format is Format.JSON:
        emit_json(proof_document(result))
    else:
        emit(proof_lines(result))
    raise typer.Exit(EXIT_OK if result.holds else EXIT_FOUND)
