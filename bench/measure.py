"""Measure commands side by side, in one run, and print how they compare.

Absolute times are those of one machine on one day; two commands that take turns on it have a ratio that holds elsewhere.
"""

from __future__ import annotations

import ctypes
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Final

_CLONE_NEWNET: Final = 0x40000000
NATFIX: Final = (sys.executable, "-m", "natfix")
CIDR: Final = "172.7.0.0/16"


def environment() -> dict[str, str]:
    """The variables for what is measured: a program that is installed runs from bytecode, so one of a checkout must too."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True)
class Command:
    """A command to measure.

    Attributes:
        words: the command.
        exit_codes: those that mean that it did its work.
    """

    words: Sequence[str]
    exit_codes: Sequence[int] = (0,)

    def run(self) -> Cost:
        """Run it once.

        Raises:
            SystemExit: it failed; its words are shown, for a time of a failure says nothing.
        """
        with tempfile.TemporaryFile() as output:
            start = time.perf_counter()
            process = subprocess.Popen(
                self.words, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=environment()
            )
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode not in self.exit_codes:
                output.seek(0)
                text = output.read(4000).decode(errors="replace")
                sys.exit(f"{' '.join(self.words)} ended with {process.returncode}:\n{text}")
        return Cost(seconds, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)


@dataclass(frozen=True)
class Cost:
    """What one run took.

    Attributes:
        seconds: on the wall clock.
        memory: MiB at most.
        processor: seconds of processor time, children included; other work on the machine disturbs it less.
    """

    seconds: float
    memory: float
    processor: float


def measure(commands: Mapping[str, Command], rounds: int) -> dict[str, Cost]:
    """Let *commands* take turns for some rounds, after one that does not count; give the median of each."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            cost = command.run()
            if number:
                costs[name].append(cost)
    return {name: median(several) for name, several in costs.items()}


def median(costs: Sequence[Cost]) -> Cost:
    """The median of each figure by itself."""
    return Cost(*(statistics.median(figures) for figures in zip(*map(astuple, costs), strict=True)))


def show(title: str, costs: Mapping[str, Cost], beside: str) -> None:
    """Print a table in which every row is compared to the row *beside*."""
    print(f"\n### {title}\n")
    print("| program | median | processor | memory | ratio |\n|---|---:|---:|---:|---:|")
    for name, cost in costs.items():
        times = f"{cost.seconds * 1000:.1f} ms | {cost.processor * 1000:.1f} ms"
        print(f"| {name} | {times} | {cost.memory:.0f} MiB | {cost.seconds / costs[beside].seconds:.3f} |")


def verdict(what: str, value: float, target: float, unit: str = "") -> None:
    """Say whether *value* keeps *target*; a target missed is told, and is no failure of the measurement."""
    told = "kept" if value <= target else "MISSED"
    print(f"\n{what}: {value:.3g}{unit}, target at most {target:g}{unit}: {told}")


def enter_fresh_network() -> None:
    """Move this process, and with it all it starts, into an empty network namespace that forwards, as a container host does.

    Raises:
        SystemExit: without the right to do so.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET):
        sys.exit(f"This benchmark needs root: {os.strerror(ctypes.get_errno())}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"], check=True)
