"""``natfix settings``: try a file of settings before it is put in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from natfix.cli import file_wiring
from natfix.cli.output import emit
from natfix.report.lines import Line, shown

if TYPE_CHECKING:
    from natfix.app.config import Config


def settings(
    file: Annotated[
        str, typer.Argument(metavar="[FILE]", help="The file; without it the one that natfix goes by.")
    ] = "/etc/natfix/natfix.toml",
) -> None:
    """Say whether natfix can use a file of settings, and what it says, before it is put in place.

    Changes nothing. Exit code 0: it can be used; 2: it cannot; the message names the key and what to write.
    """
    from natfix.app.config import parse_config  # noqa: PLC0415  (start-up time: --help needs none of it)

    config = parse_config(file_wiring.read_file(file, hint="natfix works without one; docs/commands.md shows all keys."), file)
    emit([Line(shown(f"{file}: {_told(config)}"), "good")])


def _told(config: Config) -> str:
    parts = [
        f"cluster {', '.join(map(str, config.cluster_cidrs))}" if config.cluster_cidrs else "the cluster is found by itself",
        f"suppressed {', '.join(each.id for each in config.suppressions)}" if config.suppressions else "",
    ]
    return "; ".join(filter(None, parts))
