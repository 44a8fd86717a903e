"""Time `natfix check` of a file with 100,000 rules beside what iptables itself takes to test that file."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dumps import write_dump
from measure import CIDR, NATFIX, Command, enter_fresh_network, measure, show, verdict

RULES = 100_000
ROUNDS = 7
TARGET = 0.3


def main() -> None:
    """Measure and print."""
    enter_fresh_network()
    with tempfile.TemporaryDirectory() as folder:
        dump = write_dump(Path(folder), RULES)
        check = [*NATFIX, "check", str(dump), "--cluster-cidr", CIDR]
        commands = {
            # The broad rule of Docker is in the file, so findings are the right outcome.
            "natfix check FILE": Command(check, exit_codes=[1]),
            "iptables-legacy-restore --test": Command(["iptables-legacy-restore", "--test", str(dump)]),
        }
        costs = measure(commands, ROUNDS)
    ours, theirs = costs.values()
    show(f"A file of {RULES:,} rules", costs, "iptables-legacy-restore --test")
    verdict("natfix check / iptables-legacy-restore --test", ours.seconds / theirs.seconds, TARGET)


if __name__ == "__main__":
    main()
