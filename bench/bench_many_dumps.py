"""Time `natfix check` of a thousand dumps at once beside one `iptables-restore --test` for each of them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from dumps import make_dump
from measure import CIDR, NATFIX, Command, Cost, enter_fresh_network, measure, show

DUMPS = 1000
RULES = 300
PODS = 10
ROUNDS = 3
TARGET = 3.0
# What a shell does with a folder of dumps; --test reads and checks a dump, and leaves the kernel as it is.
_LOOP = 'for file in "$1"/*.save; do "$2" --test "$file" || exit 1; done'
OURS = "natfix check FILE..."
ONE = "natfix check FILE... on one processor"
THEIRS = "iptables-restore --test of each"


def main() -> None:
    """Measure and print."""
    enter_fresh_network()
    with tempfile.TemporaryDirectory() as folder:
        files = write_dumps(Path(folder))
        check = [*NATFIX, "check", *files, "--cluster-cidr", CIDR, "--output", f"json={folder}/all.json"]
        # Every dump holds Docker's broad rule, so findings are the right outcome.
        commands = {
            OURS: Command(check, exit_codes=[1]),
            ONE: Command(["taskset", "--cpu-list", str(min(os.sched_getaffinity(0))), *check], exit_codes=[1]),
            THEIRS: Command(["sh", "-c", _LOOP, "sh", folder, "iptables-restore"]),
            "iptables-legacy-restore --test of each": Command(["sh", "-c", _LOOP, "sh", folder, "iptables-legacy-restore"]),
        }
        costs = measure(commands, ROUNDS)
    show(f"{DUMPS:,} dumps of {RULES} rules, {len(os.sched_getaffinity(0))} processors", costs, THEIRS)
    for name in costs:
        print(f"{name}: {DUMPS / costs[name].seconds:.0f} dumps a second")
    kept(costs[OURS], costs[THEIRS])


def write_dumps(folder: Path) -> list[str]:
    """Write the dumps: hosts of one cluster, each with pods and a container subnet of its own."""
    files = []
    for number in range(DUMPS):
        path = folder / f"host{number:04}.save"
        text = make_dump(RULES, PODS, first_pod=number * PODS)
        path.write_bytes(text.replace(b"172.7.21.0/24", f"172.7.{number % 250}.0/24".encode()))
        files.append(str(path))
    return files


def kept(ours: Cost, theirs: Cost) -> None:
    """Say whether the target is kept."""
    times = theirs.seconds / ours.seconds
    told = "kept" if times >= TARGET else "MISSED"
    print(f"\nnatfix looks at {times:.2f} times as many dumps a second, target at least {TARGET:g}: {told}")


if __name__ == "__main__":
    main()
