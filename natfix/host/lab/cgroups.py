"""Control groups of the lab's containers: the one thing of a container that outlives its processes and namespaces."""

from __future__ import annotations

import contextlib
import os
from itertools import chain
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")


def remove_cgroups(name: str) -> None:
    """Remove the control group *name* and all below it, in the one hierarchy of version 2 and in each of version 1."""
    for group in chain([_ROOT / name], _ROOT.glob(f"*/{name}")):
        for folder, _, _ in os.walk(group, topdown=False):
            # One that still holds a process stays; the natfix outside tries again at the very end.
            with contextlib.suppress(OSError):
                Path(folder).rmdir()
