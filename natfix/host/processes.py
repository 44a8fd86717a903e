"""What runs on this host, as /proc tells it (proc(5))."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from natfix.app.ports import Process, Processes

# linux/sched.h, TASK_COMM_LEN without its zero byte: what the kernel keeps of a program's file name.
_NAME_LENGTH: Final = 15


class HostProcesses(Processes):
    """The processes that this one can see, those in containers included.

    Args:
        proc: where procfs is mounted.
    """

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc

    def running(self, *programs: str) -> Sequence[Process]:
        """Find the daemons of this host that run one of *programs*, in one pass, sorted by pid.

        Only processes of root in this network namespace count; without the right to see a process's namespace it does not.
        A script counts under its own name. A process that ends meanwhile is left out.
        """
        pids = sorted(int(name) for name in os.listdir(self._proc) if name.isdigit())  # noqa: PTH208  (as below)
        return tuple(found for pid in pids if (found := self._process(pid, programs)))

    def _process(self, pid: int, programs: Iterable[str]) -> Process | None:
        # The kernel's short name comes first: it is all that is read of nearly every process.
        comm = self._read(pid, "comm").rstrip("\n")
        names = [name for name in programs if name[:_NAME_LENGTH] == comm]
        if not names or not self._is_ours(pid):
            return None
        arguments = tuple(self._read(pid, "cmdline").split("\0")[:-1])
        name = next(_spelt_out(names, arguments), None)
        return Process(pid, name, arguments) if name else None

    def _is_ours(self, pid: int) -> bool:
        """Tell whether a process is root's and in this network namespace."""
        # All four: anybody can start a program that is setuid root through a link of any name, and let it wait.
        status = self._read(pid, "status").splitlines()
        uids = next((line.split()[1:] for line in status if line.startswith("Uid:")), [])
        return set(uids) == {"0"} and self._network(str(pid)) == self._network("self") != ""

    def _network(self, process: str) -> str:
        try:
            return str(Path(self._proc, process, "ns/net").readlink())
        except OSError:
            return ""

    def _read(self, pid: int, name: str) -> str:
        try:
            # Pathlib takes three times as long, and there are hundreds of processes.
            with open(f"{self._proc}/{pid}/{name}", "rb", buffering=0) as file:  # noqa: PTH123
                return os.fsdecode(file.read())
        except OSError:
            return ""


def rename_this(name: str, proc: str = "/proc") -> None:
    """Let this process be known by *name*, as a program of its own is: ps and other natfixes then find it.

    A procfs that cannot be written to is no harm; the process then keeps the name of its interpreter.
    """
    with contextlib.suppress(OSError):
        Path(proc, "self/comm").write_text(name, "ascii")


def _spelt_out(names: Iterable[str], arguments: Sequence[str]) -> Iterator[str]:
    """The names that a process has, not only as far as the kernel keeps them; a script's stands behind its interpreter."""
    words = {Path(argument).name for argument in arguments[:2]}
    return (name for name in names if arguments and (len(name) <= _NAME_LENGTH or name in words))
