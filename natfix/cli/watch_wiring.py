"""Builds the watcher and all that it hears and tells with, as wiring.py builds the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from natfix.cli.wiring import all_clusters, catalogue, machine

if TYPE_CHECKING:
    from natfix.app.metrics import Meter
    from natfix.app.pursuit import Situation
    from natfix.app.watch import Watch
    from natfix.cli.watch import WatchOrders

_URGENT = -15  # As in systemd/natfix-watch.service, for supervisor and others who start the watcher.


@contextmanager
def watcher(orders: WatchOrders) -> Iterator[Watch]:
    """Build the watcher of this host; what it hears with is closed with the context."""
    import gc  # noqa: PLC0415
    import os  # noqa: PLC0415
    import time  # noqa: PLC0415
    from dataclasses import replace  # noqa: PLC0415

    from natfix.app.ledger import Audience  # noqa: PLC0415
    from natfix.app.watch import Post, Watch  # noqa: PLC0415
    from natfix.app.watch_state import STATE_PATH, StateFile  # noqa: PLC0415
    from natfix.host.clock import HostClock  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415
    from natfix.host.iptables import find_stores  # noqa: PLC0415
    from natfix.host.links import HostLinks  # noqa: PLC0415
    from natfix.host.watch.chronicle import open_chronicle  # noqa: PLC0415
    from natfix.host.watch.events import open_events  # noqa: PLC0415
    from natfix.host.watch.links import WatchedLinks  # noqa: PLC0415
    from natfix.host.watch.notifier import open_notifier  # noqa: PLC0415
    from natfix.host.watch.tables import HostTables  # noqa: PLC0415

    with suppress(OSError):  # Where it may not, it is right all the same, and later only beside programs that write in a loop.
        if os.getpriority(os.PRIO_PROCESS, 0) == 0:
            os.setpriority(os.PRIO_PROCESS, 0, _URGENT)
    with suppress(OSError):  # Whoever reads the status will miss it, and the watcher says so.
        os.makedirs(os.path.dirname(STATE_PATH), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
    host = machine(orders.wait)  # Refuses a host that cannot be read.
    stores = find_stores(orders.wait)
    own: set[int] = set()
    audience = Audience(open_chronicle(), open_notifier(), _meter(orders), StateFile(HostFiles()), HostClock())
    with (
        open_events(stores.usable, own) as events,
        closing(WatchedLinks(HostLinks())) as links,
        closing(HostTables(stores.usable, own)) as tables,
    ):
        post = Post(
            machine=replace(host, links=links, stores=()),
            tables=tables,
            events=events,
            audience=audience,
            situate=lambda: _situate(orders),
            monotonic=time.monotonic,
            pid=os.getpid(),
        )
        made = Watch(post)
        # What was made so far lives as long as the process; only what comes now can be garbage.
        gc.collect()
        gc.freeze()
        gc.enable()
        yield made


def _situate(orders: WatchOrders) -> Situation:
    """Read the settings and find the clusters; what the command line says is believed first."""
    from natfix.app.config import read_config  # noqa: PLC0415
    from natfix.app.planning import Wishes  # noqa: PLC0415
    from natfix.app.pursuit import Situation  # noqa: PLC0415
    from natfix.app.retention import KEPT  # noqa: PLC0415
    from natfix.app.vigil import Patience  # noqa: PLC0415
    from natfix.host.files import HostFiles  # noqa: PLC0415

    config = read_config(HostFiles())
    told, usual = config.watch, Patience()
    patience = Patience(
        interval=orders.interval or told.interval or usual.interval,
        longest_pause=told.longest_pause or usual.longest_pause,
    )
    found = all_clusters(orders.cidrs)
    return Situation(
        Wishes(
            clusters=found,
            catalogue=catalogue(orders.rules),
            persist=orders.persist,
            file=orders.file,
            keep_connections=orders.keep_connections,
            keep_records=config.history.keep or KEPT,
        ),
        patience,
        settled=bool(found) and not any(cluster.guessed for cluster in found),
        guard=orders.guard,
    )


def _meter(orders: WatchOrders) -> Meter:
    from natfix.host.metrics.meter import NoMeter, PrometheusMeter  # noqa: PLC0415

    if not (orders.metrics_listen or orders.metrics_textfile):
        return NoMeter()
    from natfix.app.metrics import WATCH_METRICS  # noqa: PLC0415
    from natfix.host.metrics.serving import serve  # noqa: PLC0415

    meter = PrometheusMeter(WATCH_METRICS, "watch", orders.metrics_textfile)
    if orders.metrics_listen:
        serve(meter, orders.metrics_listen)
    return meter
