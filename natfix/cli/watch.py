"""``natfix watch``: keep the host right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from natfix.cli import options


@dataclass(frozen=True)
class WatchOrders:
    """What the command line says; where it says nothing, the settings file is asked."""

    cidrs: Sequence[str] = ()
    rules: Sequence[str] = ()
    interval: float | None = None
    persist: bool = True
    file: str | None = None
    keep_connections: bool = False
    metrics_listen: str = ""
    metrics_textfile: str = ""
    wait: int = 5
    guard: bool = False


def watch(
    cluster_cidr: options.ClusterCidr = None,
    interval: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=1, help="From one slow look to the next, if nothing happens; 60.")
    ] = None,
    no_persist: options.NoPersist = False,
    file: options.SaveFile = None,
    keep_connections: Annotated[
        bool, typer.Option("--keep-connections", help="Leave connections that carry the old rewrite in conntrack.")
    ] = False,
    metrics_listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Serve metrics for Prometheus here, such as 127.0.0.1:9735.")
    ] = "",
    metrics_textfile: Annotated[
        str, typer.Option(metavar="PATH", help="Write metrics for node_exporter's textfile collector to this file.")
    ] = "",
    guard: Annotated[
        bool, typer.Option("--guard", help="Turn the guard on as soon as it can be, unless somebody has turned it off.")
    ] = False,
    wait: options.Wait = 5,
    rules: options.Rules = None,
) -> None:
    """Hear of each change to the rules, and correct it within milliseconds; SIGHUP reads the settings again, SIGTERM ends it.

    Exit code 0: it was told to end; 2: it could not start.
    """
    orders = WatchOrders(
        cidrs=tuple(cluster_cidr or ()),
        rules=tuple(rules or ()),
        interval=interval,
        persist=not no_persist,
        file=file,
        keep_connections=keep_connections,
        metrics_listen=metrics_listen,
        metrics_textfile=metrics_textfile,
        wait=wait,
        guard=guard,
    )
    from natfix.cli.watch_wiring import watcher  # noqa: PLC0415  (start-up time: --help needs none of it)

    with watcher(orders) as made:
        made.run()
