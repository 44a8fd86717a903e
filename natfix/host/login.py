"""Which login a process came from: what tells a new login from a second shell in the old one.

``natfix apply --confirm`` wants to know that a new connection to this host still works. So "the same login" errs on the safe
side: a shell that cannot prove to be new counts as old. Asked in this order, the first that answers decides:

1. The audit session (``/proc/self/sessionid``, pam_loginuid(8)). sshd, login and display managers set it once a login, and it
   stays through sudo, su, tmux, screen and nohup. A tmux attached from a new login keeps that of the login it was started in,
   and so does a second session through an ssh connection that is there already (ControlMaster): neither is new.
2. ``SSH_CONNECTION`` or ``XDG_SESSION_ID`` in the environment of this process or of the nearest one above it that has them,
   for sudo and su remove them. Kernels without audit, and containers, come here.
3. The outermost process above this one, below init, with the time it was started: the login program of a console, the shell
   of ``docker exec``. Here alone a tmux server is a login of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

# (uid_t) -1: the process was never given an audit session.
_NO_SESSION: Final = {"", "4294967295"}
_VARIABLES: Final = ("SSH_CONNECTION", "XDG_SESSION_ID")


def login(proc: str = "/proc") -> str:
    """Name the login this process came from; audit sessions and pids start anew with each boot, so the boot counts too.

    Args:
        proc: where procfs is mounted.
    """
    boot = _read(f"{proc}/sys/kernel/random/boot_id").strip()
    return f"{boot} {_audit_session(proc) or _session_variable(proc) or _outermost(proc)}"


def _audit_session(proc: str) -> str:
    number = _read(f"{proc}/self/sessionid").strip()
    return "" if number in _NO_SESSION else f"audit {number}"


def _session_variable(proc: str) -> str:
    for pid in _ancestry(proc):
        environment = dict(entry.partition("=")[::2] for entry in _read(f"{proc}/{pid}/environ").split("\0"))
        for name in _VARIABLES:
            if value := environment.get(name):
                return f"{name} {value}"
    return ""


def _outermost(proc: str) -> str:
    *_, last = "1", *_ancestry(proc)
    return f"process {last} {_fields(proc, last)[19]}"


def _ancestry(proc: str) -> Iterator[str]:
    """This process, its parent, and so on; without init."""
    pid = str(Path(proc, "self").readlink())
    while pid not in {"0", "1"}:
        yield pid
        pid = _fields(proc, pid)[1]


def _fields(proc: str, pid: str) -> list[str]:
    """What proc_pid_stat(5) tells behind the name, from the state on: the parent is at 1, the time of start at 19."""
    # The name stands in parentheses and may hold any.
    found = _read(f"{proc}/{pid}/stat").rpartition(") ")[2].split()
    return found or ["", "0", *[""] * 18]


def _read(path: str) -> str:
    try:
        return os.fsdecode(Path(path).read_bytes())
    except OSError:
        return ""
