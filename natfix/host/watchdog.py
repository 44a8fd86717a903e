"""The process that undoes a change unless it is told not to."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from natfix.app.change_ports import Watchdog
from natfix.host.detach import detach
from natfix.host.login import login

Command: TypeAlias = Callable[[str, float], Sequence[str]]

# What decides how Python finds natfix, and iptables its extensions and its lock.
_KEPT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "XTABLES_LIBDIR", "XTABLES_LOCKFILE")
# First for systemd 240 and later, whose "exec" waits until the program runs; then for older ones.
_SERVICE: Final = (("--collect", "--service-type=exec"), ())
_SYSTEMD_SECONDS: Final = 30


class HostWatchdog(Watchdog):
    """Undoes through a service of systemd, or else a detached process.

    logind may end every process of a login when it ends (KillUserProcesses, logind.conf(5)), a detached one too; a service
    it cannot. But a service runs in the namespaces of init: in others, such as a container's, the process is detached.

    Args:
        command: gives for a change and the seconds to wait the command that waits and undoes; run twice it must do no harm.
        systemd: a folder that is there when systemd is init (sd_booted(3)).
        proc: where procfs is mounted.
    """

    def __init__(self, command: Command, *, systemd: str = "/run/systemd/system", proc: str = "/proc") -> None:
        self._command = command
        self._systemd = Path(systemd)
        self._proc = Path(proc)

    def arm(self, change: str, seconds: float) -> None:
        """Start a process of its own session that undoes the change *change* after *seconds*, unless it was confirmed.

        When this returns it is running, and survives the end of this process, of its terminal and of its login session.

        Raises:
            HostError: it cannot be started.
        """
        command = self._command(change, seconds)
        environment = {"LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in _KEPT if name in os.environ}}
        if not (self._has_service_manager() and _start_service(change, command, environment)):
            detach(command, environment)

    def session(self) -> str:
        """A text that is the same for everything started from one login, and differs between logins."""
        return login(str(self._proc))

    def _has_service_manager(self) -> bool:
        return (
            self._systemd.is_dir()
            and shutil.which("systemd-run") is not None
            and all(self._shares_with_init(namespace) for namespace in ("net", "mnt"))
        )

    def _shares_with_init(self, namespace: str) -> bool:
        init, own = (self._proc / process / "ns" / namespace for process in ("1", "self"))
        try:
            return init.readlink() == own.readlink()
        except OSError:
            return False


def _start_service(change: str, command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Start a transient service; tell whether systemd did."""
    # Systemd puts variables in the place of $NAME, and $ in that of $$ (systemd.service(5), command lines).
    words = [word.replace("$", "$$") for word in command]
    return any(_systemd_run([*_options(change, environment), *options, "--", *words]) for options in _SERVICE)


def _options(change: str, environment: Mapping[str, str]) -> Sequence[str]:
    return (
        "--quiet",
        "--no-ask-password",
        "--property=UMask=0077",
        f"--unit=natfix-undo-{change}",
        f"--description=natfix: undo {change} unless it is confirmed",
        *(f"--setenv={name}={value}" for name, value in environment.items()),
    )


def _systemd_run(arguments: Sequence[str]) -> bool:
    import subprocess  # noqa: PLC0415  (slow, and needed for this alone)

    try:
        done = subprocess.run(
            ["systemd-run", *arguments], check=False, capture_output=True, timeout=_SYSTEMD_SECONDS, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
