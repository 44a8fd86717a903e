"""Namespaces around the lab: whatever happens to a process of it, the kernel takes all of them away.

::

    natfix lab ──► unshare ──► natfix lab, as process 1 of its own process namespace ──► ip, dockerd, servers …
        └──────── lifeline ────────┘

The inner natfix has mount, network and process namespaces of its own, and for a user who is not root a user namespace. The
lifeline is a pipe of which the outer one holds the writing end: when that process ends, even by SIGKILL, the inner one reads
the end of the file, kills everything in its process namespace and ends; with it go the namespaces and their mounts. All files
of the lab lie in those mounts.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from natfix.app.lab import Hosts, Sandbox
from natfix.app.ports import Variant
from natfix.errors import EXIT_INTERRUPTED, HostError
from natfix.host.lab.cgroups import remove_cgroups
from natfix.host.lab.commands import run
from natfix.host.lab.docker_hosts import DockerHosts
from natfix.host.lab.plain_hosts import PlainHosts
from natfix.host.programs import find, missing

# For the natfix inside: the lifeline's reading end, the name of its control group, and who opened the namespaces.
_INSIDE: Final = "NATFIX_LAB"
_SYSTEM_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin"
# Everything that natfix, iptables, ip and dockerd write of their own accord, besides the lab's own folder.
_COVERED: Final = ("/run", "/var/lib")
# The host's own settings and rules of natfix, which say nothing about the hosts of the lab.
_SETTINGS: Final = "/etc/natfix"
# dockerd writes a key to /etc/docker, and containerd makes /opt/containerd.
_OVERLAID: Final = ("/etc", "/opt")
_FOLDER: Final = Path("/run/natfix-lab")
_SECONDS_TO_END = 15.0


class HostSandbox(Sandbox):
    """The sandbox that this host's kernel makes."""

    def __init__(self) -> None:
        self._enter = ""

    @property
    def inside(self) -> bool:
        """Tell whether this process is the first one in it."""
        return os.getpid() == 1 and _INSIDE in os.environ

    def enter(self, words: Sequence[str]) -> int:
        """Run ``natfix`` with *words* inside, wait for it, and return its exit code.

        Raises:
            HostError: the kernel or a missing program forbids it.
        """
        unshare = _unshare()
        cgroup = f"natfix-lab-{os.getpid()}"
        read_end, write_end = os.pipe()
        with _ending_on_sigterm():
            inner = subprocess.Popen(
                [*unshare, sys.executable, "-P", "-m", "natfix", *words],
                env=_environment() | {_INSIDE: f"{read_end} {cgroup} {'root' if os.geteuid() == 0 else 'user'}"},
                stdin=subprocess.DEVNULL,
                pass_fds=(read_end,),
                # Ctrl-C reaches the outer natfix alone, which then lets go of the lifeline.
                start_new_session=True,
            )
            os.close(read_end)
            try:
                return inner.wait()
            finally:
                os.close(write_end)
                _see_off(inner, cgroup)

    @contextlib.contextmanager
    def open_hosts(self, backend: Variant, *, docker: bool) -> Generator[Hosts]:
        """Make the hosts, inside; when the context ends every process in the sandbox is gone.

        Raises:
            HostError: a program is missing or failed, or a real dockerd was asked for without being root.
        """
        read_end, cgroup, opener = os.environ.pop(_INSIDE).split()
        threading.Thread(target=_end_with, args=(int(read_end), cgroup), daemon=True).start()
        self._enter = _entrance(opener)
        try:
            _cover(_OVERLAID if docker else ())
            yield DockerHosts(backend, _FOLDER, cgroup) if docker else PlainHosts(backend)
        finally:
            _kill_all(cgroup)

    def entrances(self) -> dict[str, str]:
        """For each network namespace of the lab the command that opens a shell in it, from another terminal."""
        namespaces = sorted(Path("/run/netns").iterdir())
        return {path.name: f"{self._enter} nsenter --net={path} bash" for path in namespaces}

    def stay(self) -> NoReturn:
        """Keep everything as it is until the process outside ends."""
        while True:
            signal.pause()


def _unshare() -> list[str]:
    """Make the command that opens the namespaces, and try it.

    Raises:
        HostError: it is refused.
    """
    if find("unshare") is None:
        raise missing("unshare")
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", *user, "--mount", "--net", "--pid", "--fork", "--kill-child", "--"]
    try:
        run([*command, "true"])
    except HostError as error:
        raise HostError(
            f"the lab needs namespaces, and they are refused: {error.message}",
            hint="As root it needs CAP_SYS_ADMIN; as another user, a kernel that lets users make user namespaces.",
        ) from error
    return command


def _environment() -> dict[str, str]:
    """Copy the environment, with the folders where a user who is not root may miss iptables and ip."""
    return dict(os.environ) | {"PATH": f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SYSTEM_PATH}"}


@contextlib.contextmanager
def _ending_on_sigterm() -> Generator[None]:
    """Turn SIGTERM into an exception, so that the lab is gone when this process is."""
    before = signal.signal(signal.SIGTERM, _raise_exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise_exit(number: int, _: FrameType | None) -> NoReturn:
    raise SystemExit(128 + number)


def _see_off(inner: subprocess.Popen[bytes], cgroup: str) -> None:
    """Wait until the sandbox is gone, and see to it that it goes."""
    try:
        inner.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        # This is unshare, and --kill-child takes process 1 of the sandbox with it.
        inner.kill()
        inner.wait()
    remove_cgroups(cgroup)


def _end_with(read_end: int, cgroup: str) -> NoReturn:
    """End this process, and the sandbox with it, when the process outside has ended."""
    while os.read(read_end, 1):
        pass
    _kill_all(cgroup)
    os._exit(EXIT_INTERRUPTED)


def _kill_all(cgroup: str) -> None:
    """Kill every other process of this process namespace, and remove what only a living process can."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(-1, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, 0):
            pass
    remove_cgroups(cgroup)


def _entrance(opener: str) -> str:
    """Make the command that enters the sandbox from outside; /proc is still the one from there."""
    (pids,) = (line.split()[1:] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("NSpid:"))
    user = "" if opener == "root" else "--user --preserve-credentials "
    return f"nsenter --target {pids[0]} {user}--mount --pid"


def _cover(overlaid: Sequence[str]) -> None:
    """Hide what natfix and the programs of the lab read or write beside the lab's own, and every process outside.

    Args:
        overlaid: folders that stay as they are, and to which nothing of what is written comes.

    Raises:
        HostError: natfix itself would be hidden, or the kernel refuses a mount.
    """
    for folder in _COVERED:
        if any(Path(path).is_relative_to(folder) for path in (sys.prefix, sys.base_prefix, __file__)):
            problem = f"the lab covers {folder}, in which natfix or its Python is installed"
            raise HostError(problem, hint="Install it elsewhere.")
        _hide(folder)
    run(["mount", "-t", "proc", "proc", "/proc"])
    _FOLDER.mkdir()
    for folder in overlaid:
        _overlay(folder)
    if Path(_SETTINGS).is_dir():
        _hide(_SETTINGS)


def _hide(folder: str) -> None:
    run(["mount", "-t", "tmpfs", "natfix-lab", folder])


def _overlay(folder: str) -> None:
    """Show *folder* as it is, and let nothing that is written to it reach it."""
    upper, work = (_FOLDER / f"{kind}-{Path(folder).name}" for kind in ("upper", "work"))
    upper.mkdir()
    work.mkdir()
    run(["mount", "-t", "overlay", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", "natfix-lab", folder])
