"""``natfix collect``: everything a verdict depends on, in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from natfix.cli import collect_wiring, file_wiring, options
from natfix.cli.output import complain, emit, write
from natfix.errors import EXIT_FOUND, EXIT_OK
from natfix.report.lines import Line, shown

if TYPE_CHECKING:
    from natfix.app.collected import Collected


def collect(
    output: Annotated[
        str | None,
        typer.Option("--output", metavar="FILE", help="Where to write it; - is standard output. Else HOST.natfix here."),
    ] = None,
    cluster_cidr: options.ClusterCidr = None,
    without_host_name: Annotated[
        bool, typer.Option("--without-host-name", help="Leave the host's name out of the file, and of the file's own name.")
    ] = False,
) -> None:
    """Write everything a verdict about this host depends on into one file, which check, trace and prove accept in its place.

    Changes nothing else. Exit code 0: all of it was gathered; 1: not all of it; the file says what is missing, and why.
    """
    import json  # noqa: PLC0415  (start-up time: --help needs none of it)

    from natfix.app.collected import ABSENT, SUFFIX  # noqa: PLC0415

    found = collect_wiring.collect(cluster_cidr or [], named=not without_host_name)
    text = json.dumps(found.to_json(), indent=1) + "\n"
    path = output or f"{Path(found.host or 'host').name}{SUFFIX}"
    if path == file_wiring.STDIN:
        write(text)
        for each in found.missing:
            complain(f"not gathered: {each.part}: {each.reason}")
    else:
        collect_wiring.keep(str(Path(path).absolute()), text.encode())
        emit(_lines(found, path))
    raise typer.Exit(EXIT_FOUND if any(each.kind != ABSENT for each in found.missing) else EXIT_OK)


def _lines(found: Collected, path: str) -> Iterator[Line]:
    """What was written, in few words, and what was not."""
    tables = len((found.native or {}).get("nftables", ()))
    parts = [
        ", ".join(str(each.backend) for each in found.rulesets) or "no nat table of iptables",
        f"{tables} objects of nft's own tables" if tables else "",
        f"{len(found.interfaces)} devices, {len(found.routes)} routes",
        f"cluster {', '.join(str(network) for each in found.clusters for network in each.networks) or 'unknown'}",
    ]
    yield Line(shown(f"{path}: {'; '.join(filter(None, parts))}"))
    for each in found.missing:
        yield Line(shown(f"not gathered: {each.part}: {each.reason}"), "warn")
        if each.hint:
            yield Line(shown(f"  {each.hint}"))
