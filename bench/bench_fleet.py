"""Time `natfix check` of a thousand hosts' files of `natfix collect`, to one HTML file, one SARIF file, and both.

The hosts are those of fleet.py: a few real ones, made, filled and collected in network namespaces, and their likes. Most are
right, every fourth has Docker's broad rule, some a second network, some are nodes of Kubernetes, and a few files broke off.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

from fleet import BROKEN, KINDS, write_fleet
from measure import NATFIX, Command, measure, show, verdict

HOSTS = 1000
ROUNDS = 5
FORMS = ("html", "sarif", "markdown", "junit", "json")
TEXT = "text alone"
SECONDS, MEBIBYTES = 10.0, 100.0
BOTH = "html and sarif"


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = [Path(path).name for path in write_fleet(folder, HOSTS)]
        os.chdir(folder)
        check = [*NATFIX, "check", *files]
        wanted = {TEXT: (), "html": ("html",), "sarif": ("sarif",), BOTH: ("html", "sarif"), "all forms": FORMS}
        one = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        # 2: some files could not be read, as is meant.
        commands = {called: Command([*check, *_outputs(forms)], exit_codes=[2]) for called, forms in wanted.items()}
        commands[f"{BOTH}, one processor"] = Command([*one, *check, *_outputs(wanted[BOTH])], exit_codes=[2])
        costs = measure(commands, ROUNDS)
        shares = ", ".join(f"{kind.hosts} {called}" for called, kind in KINDS.items())
        show(f"{HOSTS:,} hosts ({shares}, {BROKEN} broken off), {len(os.sched_getaffinity(0))} processors", costs, TEXT)
        print("\n| report | size | compressed |\n|---|---:|---:|")
        for form in FORMS:
            data = (folder / f"report.{form}").read_bytes()
            print(f"| {form} | {len(data) / 1024:.0f} KiB | {len(gzip.compress(data)) / 1024:.0f} KiB |")
    verdict(f"{HOSTS:,} hosts to one HTML and one SARIF file", costs[BOTH].seconds, SECONDS, " s")
    verdict("the biggest process of that", costs[BOTH].memory, MEBIBYTES, " MiB")


def _outputs(forms: tuple[str, ...]) -> list[str]:
    return [word for form in forms for word in ("--output", f"{form}=report.{form}")]


if __name__ == "__main__":
    main()
