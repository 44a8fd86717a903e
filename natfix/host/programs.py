"""Run other programs: found also where root's PATH does not lead, bounded in time, in the C locale, nothing they say lost."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from natfix.errors import HostError

# Each waits for the kernel most of its time, and one of many takes no longer beside three others, also on two processors.
_SIDE_BY_SIDE = 4
# Users of su and cron jobs have no /sbin in their PATH.
_SYSTEM_FOLDERS = ("/usr/sbin", "/sbin", "/usr/bin", "/bin")

# Which package brings a program, on Debian-likes and on RHEL-likes.
_PACKAGES = {
    "iptables": ("iptables", "iptables, or iptables-legacy for the legacy programs"),
    "ip6tables": ("iptables", "iptables, or iptables-legacy for the legacy programs"),
    "nft": ("nftables", "nftables"),
    "ip": ("iproute2", "iproute"),
    "unshare": ("util-linux", "util-linux"),
    "nsenter": ("util-linux", "util-linux"),
    "ipset": ("ipset", "ipset"),
    "docker": ("docker.io", "docker-ce"),
    "dockerd": ("docker.io", "docker-ce"),
    "busybox": ("busybox-static", "busybox"),
}


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended.

    Attributes:
        command: its arguments, the program first.
        code: its exit code; negative when a signal ended it.
        output: what it wrote to standard output.
        complaint: what it wrote to standard error, without blank ends.
    """

    command: tuple[str, ...]
    code: int
    output: bytes
    complaint: str

    def __str__(self) -> str:
        """Spell the command as a shell takes it, the program by its file name."""
        return shlex.join((os.path.basename(self.command[0]), *self.command[1:]))  # noqa: PTH119  (pathlib costs 10 ms)

    @property
    def crashed(self) -> bool:
        """Whether it died of a defect of its own."""
        return self.code in {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL, -signal.SIGFPE}


def find(program: str) -> str | None:
    """Find a program in PATH or in the system's folders; None when it is not there."""
    folders = [*os.environ.get("PATH", "").split(os.pathsep), *_SYSTEM_FOLDERS]
    for folder in folders:
        path = f"{folder}/{program}"
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):  # noqa: PTH113  (pathlib costs 10 ms)
            return path
    return None


def run(*command: str, data: bytes = b"", seconds: float = 60.0, environment: Mapping[str, str] | None = None) -> Done:
    """Run a program to its end; its exit code is for the caller to judge.

    Args:
        command: the program (a name or a path) and its arguments.
        data: its standard input.
        seconds: after this time it is killed.
        environment: variables beside those of this process.

    Raises:
        HostError: it is not installed, may not be run, or took too long.
    """
    variables = {**os.environ, **(environment or {}), "LC_ALL": "C", "LANGUAGE": "C"}
    arguments = (find(command[0]) or command[0], *command[1:])
    try:
        done = subprocess.run(arguments, check=False, capture_output=True, input=data, timeout=seconds, env=variables)
    except FileNotFoundError as error:
        raise missing(command[0]) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{shlex.join(command)} did not end within {seconds:g} s and was stopped") from error
    except OSError as error:
        raise HostError(f"{command[0]} cannot be run: {error.strerror or error}") from error
    return Done(arguments, done.returncode, done.stdout, done.stderr.decode("utf-8", "replace").strip())


def run_each(commands: Sequence[Sequence[str]]) -> list[Done]:
    """Run programs that have nothing to do with each other, some at a time; give how they ended in their order.

    Raises:
        HostError: one is not installed, may not be run, or took too long; the others have ended.
    """
    waiting = list(enumerate(commands))[::-1]
    ended: dict[int, Done] = {}
    errors: list[HostError] = []

    def work() -> None:
        while waiting and not errors:
            try:
                number, command = waiting.pop()
            except IndexError:  # Another one was quicker.
                return
            try:
                ended[number] = run(*command)
            except HostError as error:
                errors.append(error)

    others = [threading.Thread(target=work) for _ in range(min(_SIDE_BY_SIDE, len(commands)) - 1)]
    for each in others:
        each.start()
    work()
    for each in others:
        each.join()
    if errors:
        raise errors[0]
    return [ended[number] for number in range(len(commands))]


def missing(program: str) -> HostError:
    """Make the error that says a program is not installed, and which package brings it."""
    name = program.rpartition("/")[2]
    packages = _PACKAGES.get(name) or _PACKAGES.get(name.partition("-")[0])
    if packages is None:
        return HostError(f"the program {name} is not installed", hint="Install it, or put its folder into PATH.")
    debian, rhel = packages
    return HostError(
        f"the program {name} is not installed",
        hint=f"Install the package {debian} (Debian, Ubuntu) or {rhel} (RHEL, Fedora).",
    )


def died(done: Done) -> HostError:
    """Make the error that says a program died of a defect of its own, as nft before 1.1 does of sets that a newer nft made."""
    return HostError(
        f"{done} died ({signal.Signals(-done.code).name}), which is a defect of that program",
        hint="An nft dies of sets that a newer nft made (1.0.6 of 1.1's). Use one version on this host, the newest of them; "
        "of natfix's container image, the one whose Debian has it.",
    )
