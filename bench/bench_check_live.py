"""Time `natfix check` of a host with 100,000 nat rules beside the dump of these rules that other tools begin with."""

from __future__ import annotations

import tempfile
from pathlib import Path

from dumps import PODS, write_dump
from hosts import build_links, load
from measure import CIDR, NATFIX, Command, enter_fresh_network, measure, show, verdict

RULES = 100_000
ROUNDS = 5
TARGET_MS = 150


def compare(folder: Path, pods: int) -> None:
    """Measure on a host whose POSTROUTING has a chain of its own for each of *pods* pods."""
    load(write_dump(folder, RULES, pods))
    commands = {
        "natfix check": Command([*NATFIX, "check", "--cluster-cidr", CIDR], exit_codes=[1]),
        "iptables-nft -t nat -S POSTROUTING": Command(["iptables-nft", "-t", "nat", "-S", "POSTROUTING"]),
        "iptables-nft-save -t nat": Command(["iptables-nft-save", "-t", "nat"]),
    }
    costs = measure(commands, ROUNDS)
    show(f"A host with {RULES:,} nat rules (nft), {pods} pods masqueraded by CNI", costs, "iptables-nft-save -t nat")
    verdict("natfix check", costs["natfix check"].seconds * 1000, TARGET_MS, " ms")


def main() -> None:
    """Measure and print."""
    enter_fresh_network()
    build_links()
    with tempfile.TemporaryDirectory() as folder:
        for pods in (0, PODS):
            compare(Path(folder), pods)


if __name__ == "__main__":
    main()
