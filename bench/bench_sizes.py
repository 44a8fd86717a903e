"""Sizes of what natfix is delivered as, and what its container takes of a node: memory of the watcher, cost of the probe.

    python bench/bench_sizes.py

As root, for the image is unpacked and entered. Packages of Debian are fetched by debootstrap.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from hosts import build_links
from measure import CIDR, enter_fresh_network

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tools import debian, image, wheels

EPOCH = 1_750_000_000
ROUNDS = 15
# What fresh processes need until they are at rest.
SETTLE_SECONDS = 5.0
RULE = ("POSTROUTING", "-s", "172.7.21.0/24", "!", "-o", "docker0", "-j", "MASQUERADE")


def build(folder: Path) -> dict[str, Path]:
    """Build everything as a release does; give each by its name."""
    wheel = wheels.build(folder, epoch=EPOCH)
    carried = (wheel, *wheels.fetch(folder))
    package = debian.build(debian.Release(carried, EPOCH), folder)
    root = image.build(image.fetch(image.RELEASES[0], folder / "packages"), package, folder / "image", EPOCH)
    (sdist,) = folder.glob("natfix-*.tar.gz")
    return {"wheel": wheel, "sdist": sdist, "Debian package": package, "container image": root}


def compressed(path: Path) -> int:
    """How many bytes a registry would hold of a layer."""
    # Not in this process: what it has held at most would be counted as that of every program it starts (getrusage(2)).
    done = subprocess.run(f'gzip -6 <"{path}" | wc -c', check=True, capture_output=True, shell=True, text=True)  # noqa: S602
    return int(done.stdout)


@contextlib.contextmanager
def watcher(root: Path) -> Iterator[int]:
    """Run the watcher in the image's root, in a network of its own; give its pid."""
    enter = f'mount --bind /dev "{root}/dev" && exec chroot "{root}" "$@"'
    words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={root}/proc", "sh", "-c", enter, "enter"]
    words += ["/usr/bin/natfix", "watch", "--guard", "--cluster-cidr", CIDR]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            time.sleep(SETTLE_SECONDS)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii").split()
            if process.poll() is not None or not children:
                sys.exit("the watcher has ended")
            yield int(children[0])
        finally:
            process.kill()


def probe(pid: int) -> tuple[float, float, float]:
    """Ask it as kubelet does; give seconds, those of a processor, and MiB at most."""
    words = ["nsenter", f"--target={pid}", "--mount", "--pid", "--root", "--", "/usr/bin/natfix", "status", "--watcher"]
    start = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        subprocess.run(words, check=False)
        sys.exit(f"{' '.join(words)} ended with {process.returncode}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def field(pid: int, name: str) -> float:
    """A line of /proc/PID/status, in MiB."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(found) / 1024


def main() -> None:
    """Print two tables."""
    with tempfile.TemporaryDirectory(prefix="natfix-sizes-") as name:
        made = build(Path(name))
        print("| what | size | gzip |\n|---|---:|---:|")
        for what, path in made.items():
            packed = f"{compressed(path) / 1e6:.1f} MB" if what == "container image" else ""
            print(f"| {what} | {path.stat().st_size / 1e6:.1f} MB | {packed} |")
        root = Path(name, "root")
        root.mkdir()
        subprocess.run(["tar", "-C", str(root), "-xf", str(made["container image"])], check=True)
        enter_fresh_network()
        build_links()
        subprocess.run(["iptables-nft", "-t", "nat", "-A", *RULE], check=True)
        with watcher(root) as pid:
            at_rest, most = field(pid, "VmRSS"), field(pid, "VmHWM")
            rounds = [probe(pid) for _ in range(ROUNDS)]
        seconds, processor, memory = (statistics.median(values) for values in zip(*rounds, strict=True))
        print("\n| in the image | median |\n|---|---:|")
        print(f"| the watcher at rest, and at most (first correction, guard turned on) | {at_rest:.0f} MiB, {most:.0f} MiB |")
        print(f"| a probe | {seconds * 1000:.0f} ms, {processor * 1000:.0f} ms of a processor, {memory:.0f} MiB |")
        print(f"| probes every 10 s | {processor * 1000 / 10:.1f} m of a processor |")


if __name__ == "__main__":
    main()
