"""A control group of its own for each machine: two that start from one would both take its child ``payload``."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def control_group(name: str) -> Iterator[list[Path]]:
    """Make the group *name* in version 2 and, where there is one, in systemd's hierarchy of version 1; remove it afterwards."""
    groups = [root / name for root in hierarchies()]
    assert groups, "no control groups are mounted, and systemd needs them"
    try:
        for group in groups:
            group.mkdir()
        yield groups
    finally:
        for group in groups:
            remove_group(group)


def hierarchies() -> Iterator[Path]:
    """Find where systemd keeps processes apart: not where version 1 hands out memory or processors."""
    found: dict[str, Path] = {}
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        place, _, kind = line.partition(" - ")
        words = kind.split()
        if words[0] == "cgroup2" or (words[0] == "cgroup" and "name=systemd" in words[2].split(",")):
            # One hierarchy may be mounted twice, as in somebody's chroot, and is one device all the same.
            _, _, device, _, folder, *_ = place.split()
            found.setdefault(device, Path(folder))
    yield from found.values()


def remove_group(group: Path) -> None:
    """Remove a group and all below it; waits half a minute at most for its last processes to be gone."""
    for _ in range(300):
        for folder, _, _ in os.walk(group, topdown=False):
            with suppress(OSError):
                Path(folder).rmdir()
        if not group.exists():
            return
        time.sleep(0.1)
