"""Time natfix's parser beside others that read iptables-save, on the same bytes, with the memory each takes at most.

BENCH_PYTHON names an interpreter that has the others; `make bench` makes it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dumps import write_dump
from measure import Cost, environment, median, show

SIZES = (10_000, 100_000)
ROUNDS = 5
OURS = ("natfix", "natfix-every-rule")
OTHERS = ("declarative-iptables", "iptables-graph", "pyferm", "fwshift")
SCRIPT = Path(__file__).with_name("parse_once.py")


def parse_once(python: str, parser: str, dump: Path) -> Cost:
    """Parse *dump* in a process of its own; give the time of the parsing alone, and the memory of the whole process.

    Raises:
        SystemExit: it failed.
    """
    words = [python, str(SCRIPT), parser, str(dump)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment())
    output = process.stdout.read() if process.stdout else ""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{parser} ended with {process.returncode}")
    seconds, processor = map(float, output.split()[-2:])
    return Cost(seconds, usage.ru_maxrss / 1024, processor)


def compare(dump: Path) -> dict[str, Cost]:
    """Let every parser take turns on *dump*."""
    peers = os.environ.get("BENCH_PYTHON")
    if peers is None:
        print("BENCH_PYTHON is not set: natfix alone. `make bench` sets it.")
    pythons = {**dict.fromkeys(OURS, sys.executable), **(dict.fromkeys(OTHERS, peers) if peers else {})}
    costs: dict[str, list[Cost]] = {name: [] for name in pythons}
    for _ in range(ROUNDS):
        for name, python in pythons.items():
            costs[name].append(parse_once(python, name, dump))
    return {name: median(several) for name, several in costs.items()}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        for rules in SIZES:
            show(f"Parsing {rules:,} rules", compare(write_dump(Path(folder), rules)), "natfix")


if __name__ == "__main__":
    main()
