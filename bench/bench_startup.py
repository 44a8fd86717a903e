"""Time `natfix check` of a small host, start to end, beside a typer program that does nothing."""

from __future__ import annotations

import sys
from pathlib import Path

from hosts import build_links, load_small
from measure import CIDR, NATFIX, Command, enter_fresh_network, measure, show, verdict

ROUNDS = 21
TARGET = 2.0
BARE = "a bare typer program"


def main() -> None:
    """Measure and print."""
    enter_fresh_network()
    build_links()
    load_small()
    commands = {
        BARE: Command([sys.executable, str(Path(__file__).with_name("bare_typer.py")), "hello"]),
        "natfix check --cluster-cidr": Command([*NATFIX, "check", "--cluster-cidr", CIDR], exit_codes=[1]),
        "natfix check": Command([*NATFIX, "check"], exit_codes=[1]),
        "natfix --help": Command([*NATFIX, "--help"]),
    }
    costs = measure(commands, ROUNDS)
    show("Start to end on a small host", costs, BARE)
    verdict("natfix check / bare typer", costs["natfix check"].seconds / costs[BARE].seconds, TARGET)


if __name__ == "__main__":
    main()
