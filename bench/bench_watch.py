"""From an event to its correction by `natfix watch`, beside a bare iptables-restore of the same two lines; and its rest.

    python bench/bench_watch.py [MINUTES]      how long to look at the idle watcher; 1 without it

All are timed by the same observer, which hears of commits as the watcher does: nft's own messages, and the xtables lock that
is let go. The watcher: from the commit that puts the broad rule back to natfix's commit. The bare program, from its start to
its commit: once at rest, and once started by that same commit, which no watcher can beat. A commit of nft waits until the one
before it is cleared away, so the two differ.
"""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dumps import PODS, write_dump
from hosts import build_links
from measure import CIDR, NATFIX, enter_fresh_network, environment, verdict

from natfix.host.watch.events import HostEvents
from natfix.host.watch.file_events import FileListener
from natfix.host.watch.nft_events import NftListener

BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
FIXED = f"-s 172.7.21.0/24 ! -d {CIDR} ! -o docker0 -j MASQUERADE"
CORRECT = f"*nat\n-D POSTROUTING {BROAD}\n-I POSTROUTING 1 {FIXED}\nCOMMIT\n"
PUT_BACK = f"*nat\n-D POSTROUTING {FIXED}\n-I POSTROUTING 1 {BROAD}\nCOMMIT\n"
SIZES = ((10, 0), (1_000, 0), (1_000, PODS), (10_000, PODS), (50_000, PODS))
ROUNDS = 15
TARGET = 1.5
TARGET_MEMORY = 40
# What others document: how long a rule can be wrong before they look again.
INTERVALS = {"flannel --iptables-resync": 5.0, "kube-proxy --iptables-sync-period": 30.0, "ip-masq-agent resyncInterval": 60.0}


class Sample(NamedTuple):
    """One round, in seconds: the bare program at rest, the same started by the commit, natfix."""

    bare: float
    reflex: float
    natfix: float


def mount_run() -> None:
    """Give this process a /run of its own, so that neither lock nor watcher of the machine is met."""
    libc = __import__("ctypes").CDLL(None, use_errno=True)
    if libc.unshare(0x00020000):
        sys.exit("This benchmark needs root: no mount namespace can be made.")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    for folder in ("/run", "/var/lib/natfix"):
        Path(folder).mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    Path("/run/natfix").mkdir()
    Path("/run/xtables.lock").touch()


@contextlib.contextmanager
def watcher() -> Iterator[int]:
    """Let `natfix watch` run; give its pid when it is ready."""
    command = [*NATFIX, "watch", "--cluster-cidr", CIDR, "--no-persist"]
    with tempfile.TemporaryFile() as told, subprocess.Popen(command, stdout=told, env=environment()) as process:
        try:
            while not Path("/run/natfix/watch.json").exists():
                time.sleep(0.05)
                if process.poll() is not None:
                    sys.exit("natfix watch did not start")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)


class Observer:
    """Tells when a commit was made."""

    def __init__(self, variant: str) -> None:
        listener = NftListener() if variant == "nft" else FileListener(hints={})
        self._reason = "commit" if variant == "nft" else "lock"
        self._events = HostEvents([listener])

    def forget(self) -> None:
        """Forget what was heard so far."""
        self._events.drain()

    def moments(self, number: int) -> list[float]:
        """Wait for some commits; give their moments."""
        found: list[float] = []
        end = time.monotonic() + 30
        while len(found) < number and time.monotonic() < end:
            found += [event.at for event in self._events.wait(end - time.monotonic()) if event.reason == self._reason]
        if len(found) < number:
            sys.exit("nothing happened for 30 s")
        return found


@contextlib.contextmanager
def restoring(variant: str, script: str) -> Iterator[None]:
    """Let iptables-restore run while the context does, so that its commit is heard of when it is made."""
    words = [f"iptables-{variant}-restore", "--noflush", *(["--wait=5"] if variant == "legacy" else [])]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        if process.stdin:
            process.stdin.write(script.encode())
            process.stdin.close()
        yield
    if process.returncode:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}")


def timed_bare(observer: Observer, variant: str) -> float:
    """From the start of a bare iptables-restore to its commit."""
    observer.forget()
    start = time.monotonic()
    with restoring(variant, CORRECT):
        return observer.moments(1)[0] - start


def timed_reflex(observer: Observer, variant: str) -> float:
    """From the commit that puts the broad rule back to that of a bare iptables-restore, started without a look."""
    observer.forget()
    with restoring(variant, PUT_BACK):
        first = observer.moments(1)[0]
        with restoring(variant, CORRECT):
            return observer.moments(1)[0] - first


def timed_watch(observer: Observer, variant: str) -> float:
    """From the commit that puts the broad rule back to the one that corrects it."""
    observer.forget()
    with restoring(variant, PUT_BACK):
        first, second = observer.moments(2)[:2]
        return second - first


def is_right(variant: str) -> bool:
    """Whether the rule is corrected."""
    shown = subprocess.run(
        [f"iptables-{variant}", "-t", "nat", "-S", "POSTROUTING"], check=True, capture_output=True, text=True
    )
    return f"-A POSTROUTING {FIXED}" in shown.stdout and f"-A POSTROUTING {BROAD}" not in shown.stdout


def compare(variant: str, dump: Path) -> list[Sample]:
    """Time both in turns on the table of *dump*; a watcher that is stopped in between sees nothing of the bare ones."""
    subprocess.run([f"iptables-{variant}-restore", str(dump)], check=True)
    observer = Observer(variant)
    samples = []
    with watcher() as pid:
        timed_watch(observer, variant)
        for _ in range(ROUNDS):
            settle(variant)
            os.kill(pid, signal.SIGSTOP)
            with restoring(variant, PUT_BACK):
                observer.moments(1)
            bare = timed_bare(observer, variant)
            reflex = timed_reflex(observer, variant)
            os.kill(pid, signal.SIGCONT)
            settle(variant)
            samples.append(Sample(bare, reflex, timed_watch(observer, variant)))
    subprocess.run([f"iptables-{variant}", "-t", "nat", "-F"], check=True)
    subprocess.run([f"iptables-{variant}", "-t", "nat", "-X"], check=True)
    return samples


def settle(variant: str) -> None:
    """Wait until the rule is right and the watcher has rested; it would take more than one round a second for a fight."""
    while not is_right(variant):
        time.sleep(0.05)
    time.sleep(0.6)


def compare_all(folder: Path) -> None:
    """Print the table."""
    print("\n### From event to correction, medians\n")
    print("| backend | nat rules | pods | bare, at rest | bare, started by the commit | natfix watch | ratio | ratio at rest |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    ratios: dict[str, float] = {}
    for variant in ("nft", "legacy"):
        for rules, pods in SIZES:
            samples = compare(variant, write_dump(folder, max(rules, 25), pods))
            bare, reflex, mine = (statistics.median(column) * 1000 for column in zip(*samples, strict=True))
            ratios[f"{variant} {rules:,} rules, {pods} pods"] = mine / reflex
            print(
                f"| {variant} | {rules:,} | {pods} | {bare:.1f} ms | {reflex:.1f} ms | {mine:.1f} ms | {mine / reflex:.2f} "
                f"| {mine / bare:.2f} |",
                flush=True,
            )
    print("\nDocumented intervals of others, during which a rule stays wrong:")
    for name, seconds in INTERVALS.items():
        print(f"- {name}: {seconds:g} s")
    for name, ratio in ratios.items():
        verdict(f"event to corrected, {name}, beside a bare iptables-restore", ratio, TARGET)


def idle(minutes: float) -> None:
    """Look at a watcher to which nothing happens."""
    with watcher() as pid:
        time.sleep(2)
        before = snapshot(pid)
        time.sleep(minutes * 60)
        after = snapshot(pid)
        waiting = sum(snapshot(child)["VmRSS"] for child in children(pid))
    print(f"\n### The idle watcher, {minutes:g} minutes\n")
    print(f"- processor time: {after['cpu'] - before['cpu']:.2f} s")
    print(f"- wake-ups: {after['voluntary_ctxt_switches'] - before['voluntary_ctxt_switches']:.0f}")
    print(f"- memory: {after['VmRSS'] / 1024:.0f} MiB, of which its own {after['Pss'] / 1024:.0f} MiB")
    print(f"- memory of the iptables-legacy-restore that waits: {waiting / 1024:.0f} MiB")
    # The slow look is due every 60 s; reading its own last one may fall into the time.
    verdict(
        "wake-ups of the idle watcher a minute",
        (after["voluntary_ctxt_switches"] - before["voluntary_ctxt_switches"]) / minutes,
        2,
    )
    verdict("memory of the idle watcher", (after["VmRSS"] + waiting) / 1024, TARGET_MEMORY, " MiB")


def children(pid: int) -> list[int]:
    """The pids of its children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def snapshot(pid: int) -> dict[str, float]:
    """Processor time, wake-ups and memory of a process."""
    found: dict[str, float] = {}
    for name in ("status", "smaps_rollup"):
        for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
            key, _, rest = line.partition(":")
            value = rest.split()
            if value and value[0].isdigit():
                found.setdefault(key, float(value[0]))
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    found["cpu"] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return found


def main(minutes: float) -> None:
    """Measure and print."""
    mount_run()
    enter_fresh_network()
    build_links()
    with tempfile.TemporaryDirectory() as folder:
        compare_all(Path(folder))
    idle(minutes)


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 1)
