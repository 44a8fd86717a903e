"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

from natfix.cli.output import Format

ClusterCidr: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--cluster-cidr",
        metavar="CIDR",
        help="The network that holds the container subnets of all hosts; may be repeated. Found by itself where possible.",
    ),
]
Rules: TypeAlias = Annotated[
    list[str] | None, typer.Option("--rules", metavar="DIR", help="A folder with further audit rules; may be repeated.")
]
OutputFormat: TypeAlias = Annotated[Format, typer.Option("--format", help="How to print the result.")]
Wait: TypeAlias = Annotated[
    int, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for the xtables lock and for another natfix.")
]
NoPersist: TypeAlias = Annotated[bool, typer.Option("--no-persist", help="Leave the files that are loaded at boot alone.")]
SaveFile: TypeAlias = Annotated[
    str | None, typer.Option("--file", metavar="PATH", help="Save to this file instead of the one that is loaded at boot.")
]
LeaveGuarded: TypeAlias = Annotated[
    bool, typer.Option("--leave-guarded", help="Leave running rules alone that the guard makes harmless.")
]
