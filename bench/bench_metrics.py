"""What it costs the daemons to be measured: a turn's numbers, a page, memory. Side by side with nobody measuring.

.venv/bin/python bench/bench_metrics.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from natfix.app.metrics import Meter
from natfix.app.node.metrics import NODE_METRICS
from natfix.host.metrics.meter import NoMeter, PrometheusMeter
from tests.unit.app.node.stage import Player, Stage, host_gw, subnet

TURNS = 500
ROUNDS = 11
PEERS = 200
ADDRESS = "127.0.0.1:49736"


# In a process of its own, with what a watcher has loaded before it is asked to measure.
GROWTH = f"""
import natfix.app.watch, natfix.cli.watch_wiring, natfix.host.files
def resident():
    return int(open('/proc/self/status').read().split('VmRSS:')[1].split()[0])
before = resident()
from natfix.app.metrics import WATCH_METRICS
from natfix.host.metrics.meter import PrometheusMeter
from natfix.host.metrics.serving import serve
meter = PrometheusMeter(WATCH_METRICS, 'watch')
serve(meter, '{ADDRESS}')
meter.page()
print(resident() - before)
"""


def grown() -> float:
    """Megabytes that library, numbers and server take in a watcher."""
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", GROWTH], check=True, capture_output=True, text=True, cwd=root)
    return int(done.stdout) / 1024


def agent(meter: Meter) -> Player:
    """An agent on twins, with many peers, that tells *meter*."""
    stage = Stage()
    stage.meter = meter  # type: ignore[assignment]
    for number in range(22, 22 + PEERS):
        stage.store.create(subnet(number), host_gw(number), seconds=3600)
    return Player(stage)


def micros(step: Callable[[], object]) -> float:
    """Microseconds that one call takes, the median of rounds."""
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(TURNS):
            step()
        rounds.append((time.perf_counter() - start) / TURNS)
    return 1e6 * statistics.median(rounds)


def main() -> None:
    """Measure and print."""
    meter = PrometheusMeter(NODE_METRICS, "node")
    nobody, somebody = agent(NoMeter()), agent(meter)
    without, with_numbers = micros(lambda: nobody.agent.turn(())), micros(lambda: somebody.agent.turn(()))
    page = micros(meter.page)
    rows = [
        (f"an agent of {PEERS} peers", "nobody", "measured", "ratio"),
        ("a turn with nothing to do, us", f"{without:.1f}", f"{with_numbers:.1f}", f"{with_numbers / without:.1f}"),
        (f"a page of {len(meter.page())} bytes, us", "", f"{page:.0f}", ""),
        ("memory of it all in a watcher, MB", "", f"{grown():.1f}", ""),
    ]
    for row in rows:
        print("{:44}{:>10}{:>10}{:>8}".format(*row))


if __name__ == "__main__":
    main()
