"""What a run of the lab could leave behind: processes, namespaces, mounts, control groups, files."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

NAMESPACES = ("mnt", "net", "pid", "user")
PATIENCE = 60.0


def descendants(pid: int) -> list[int]:
    """Every process below *pid*, which is not among them."""
    parents = dict(_parents())
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def foreign_namespaces(pids: list[int]) -> set[str]:
    """The namespaces of *pids* in which this process is not."""
    return {name for pid in pids for name in _namespaces(pid)} - set(_namespaces(os.getpid()))


def left(namespaces: set[str], lab: int) -> list[str]:
    """What is left of the lab that process *lab* ran in *namespaces*; waits a minute at most for the kernel to tidy up."""
    end = time.monotonic() + PATIENCE
    while (found := list(_left(namespaces, lab))) and time.monotonic() < end:
        time.sleep(0.1)
    return found


def _left(namespaces: set[str], lab: int) -> Iterator[str]:
    for pid, _ in _parents():
        if namespaces & set(_namespaces(pid)):
            yield f"process {pid}: {_command(pid)!r}"
    yield from (line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "natfix-lab" in line)
    # Unlike glob, walk does not mind a group that goes while it looks.
    yield from (folder for folder, _, _ in os.walk("/sys/fs/cgroup") if folder.endswith(f"/natfix-lab-{lab}"))
    yield from (str(path) for path in (Path("/run/natfix-lab"), Path("/run/netns/host-a")) if path.exists())


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b"gone meanwhile"


def _parents() -> Iterator[tuple[int, int]]:
    """Each process with its parent, zombies left out."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, parent = (folder / "stat").read_text().rpartition(") ")[2].split()[:2]
        except OSError:
            continue
        if state not in {"Z", "X"}:
            yield int(folder.name), int(parent)


def _namespaces(pid: int) -> Iterator[str]:
    for name in NAMESPACES:
        try:
            yield os.readlink(f"/proc/{pid}/ns/{name}")  # noqa: PTH115 - the link leads nowhere.
        except OSError:
            continue
