"""A whole machine: systemd as process 1, on an overlay of an image, in a network namespace of its own."""

import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.machine.machines.cgroups import control_group
from tests.machine.machines.sweep import remove_disk
from tests.netns import command, namespace

BOOT_SECONDS = 150
STOP_SECONDS = 200
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
ENVIRONMENT = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "TERM": "dumb"}
# Version 2, whatever this machine uses: systemd refuses version 1 from trixie on. And of the kernel's settings those of the
# network can be changed, which belong to the machine alone.
NSPAWN = {"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1", "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}
# What must not lie on an overlay, as Docker mounts overlays of it.
APART = ("var/lib/docker", "var/lib/containerd")

# nspawn is started in control groups of its own, and with a private place for what it would leave behind when killed.
START = """\
for group in $1; do echo $$ >"$group/cgroup.procs" || exit; done
mkdir -p /run/systemd/nspawn && mount -t tmpfs natfix-nspawn /run/systemd/nspawn || exit
shift
exec "$@"
"""

# Machines that are switched on, for the journals that a failed test shows.
running: list["Machine"] = []


class Machine:
    """A machine that is off at first; ``with`` gives it its disk, and takes it away with all that is on it.

    Args:
        name: its host name.
        layers: the folders its disk is made of, the topmost first and an image last; none of them is written to.
        plug: connects the network namespace whose name it is given; called at each start, as a real machine's kernel starts
            with nothing at each boot.
    """

    def __init__(self, name: str, layers: Sequence[Path], plug: Callable[[str], None]) -> None:
        self.name = name
        self._layers = layers
        self._plug = plug
        self._disk = ExitStack()
        self._power = ExitStack()
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Self:
        self._folder = self._disk.enter_context(_disk(self._layers))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.cut_power()
        self._disk.close()

    @property
    def root(self) -> Path:
        """Its disk, as seen from outside; written to only while the machine is off."""
        return self._folder / "root"

    def boot(self) -> None:
        """Start it, and wait until systemd has started everything, or has tried.

        Raises:
            AssertionError: that did not happen in time; the message says what it waits for.
        """
        self.start()
        self.wait()

    def start(self) -> None:
        """Switch it on, and do not wait."""
        assert self._process is None, f"{self.name} is on"
        with ExitStack() as power:
            network = power.enter_context(namespace(self.name))
            self._plug(network)
            groups = power.enter_context(control_group(network))
            console = power.enter_context((self._folder / "console").open("ab"))
            self._process = subprocess.Popen(
                _nspawn(self.name, self._folder, network, groups),
                env=ENVIRONMENT | NSPAWN,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                # Ctrl-C is for the tests, which then end the machines.
                start_new_session=True,
            )
            power.callback(self._end)
            running.append(self)
            self._power = power.pop_all()

    def wait(self) -> None:
        """Wait until the boot is over.

        Raises:
            AssertionError: that did not happen in time; the message says what it waits for.
        """
        end = time.monotonic() + BOOT_SECONDS
        state = "not started"
        while time.monotonic() < end and self._process is not None and self._process.poll() is None:
            self._init = self._init or _first_process(self._process.pid)
            if self._init:
                state = self.run("systemctl", "is-system-running", "--wait", seconds=BOOT_SECONDS).stdout.strip()
                if state in {"running", "degraded"}:
                    return
            time.sleep(0.1)
        error = AssertionError(f"{self.name} did not boot: {state or 'no answer'}")
        error.add_note(self.account())
        raise error

    def power_off(self) -> None:
        """Shut it down as its owner would, and wait until it is off; what it wrote to its disk stays.

        Raises:
            AssertionError: it did not go off in time.
        """
        assert self._process is not None, f"{self.name} is off"
        self.run("systemctl", "poweroff")
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired as expired:
            error = AssertionError(f"{self.name} did not shut down in {STOP_SECONDS} s")
            error.add_note(self.account())
            raise error from expired
        finally:
            self.cut_power()

    def cut_power(self) -> None:
        """Switch it off at once, with no goodbye; its disk stays."""
        self._power.close()

    def reboot(self) -> None:
        """Shut it down and boot it again, with a network namespace as empty of rules as a kernel that has just started."""
        self.power_off()
        self.boot()

    def inside(self, *words: str) -> list[str]:
        """Make the command that runs *words* in the machine, from outside."""
        assert self._init, f"{self.name} is off"
        return ["nsenter", f"--target={self._init}", "--mount", "--uts", "--ipc", "--net", "--pid", "--", *words]

    def run(self, *words: str, data: str = "", seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a program as root in the machine, with no terminal and a plain environment."""
        return subprocess.run(
            self.inside(*words), check=False, capture_output=True, text=True, input=data, timeout=seconds, env=ENVIRONMENT
        )

    def output(self, *words: str, data: str = "", seconds: float = 120) -> str:
        """Run a program in the machine, which has to succeed, and return what it printed.

        Raises:
            AssertionError: it failed; the message is its own.
        """
        done = self.run(*words, data=data, seconds=seconds)
        assert done.returncode == 0, (
            f"{self.name}: {shlex.join(words)}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
        )
        return done.stdout

    def popen(self, *words: str, stdout: int) -> subprocess.Popen[bytes]:
        """Start a program in the machine that runs until its standard input ends, at the latest when the machine does."""
        return subprocess.Popen(self.inside(*words), stdin=subprocess.PIPE, stdout=stdout, env=ENVIRONMENT)

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, in folders that are made when missing, whether the machine is on or off."""
        if self._process is None:
            place = self.root / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            place.chmod(mode)
        else:
            script = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"'
            self.output("sh", "-c", script, "put", path, f"{mode:o}", data=text)

    def journal(self, *options: str) -> str:
        """Return what its journal says of this boot, the end if it is long."""
        # What a program has printed before it ended is on its way there still.
        self.run("journalctl", "--sync", seconds=30)
        return self.run("journalctl", "--no-pager", "--boot", "--output=short-monotonic", "--lines=300", *options).stdout

    def account(self) -> str:
        """Tell what a reader of a failed test wants to know of the machine: units that failed or wait, console, journal."""
        parts = [f"console of {self.name}:\n" + (self._folder / "console").read_text(errors="replace")[-3000:]]
        if self._init:
            # The account of one failure must not end in another.
            with suppress(subprocess.TimeoutExpired):
                failed = self.run("systemctl", "--no-pager", "list-units", "--failed", seconds=10).stdout
                waiting = self.run("systemctl", "--no-pager", "list-jobs", seconds=10).stdout
                parts += [f"failed units:\n{failed}", f"jobs:\n{waiting}", f"journal:\n{self.journal()[-20000:]}"]
        return "\n".join(parts)

    def _end(self) -> None:
        """End every process of the machine: all are in the process namespace whose first is nspawn."""
        assert self._process is not None
        for pid in (*_children(self._process.pid), self._process.pid):
            if self._process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                # unshare waits for its child, and that one is gone when the whole namespace is.
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(10)
        self._process, self._init = None, 0
        running.remove(self)


@contextmanager
def _disk(layers: Sequence[Path]) -> Iterator[Path]:
    """Lay a writable folder ``root`` over *layers*, in memory."""
    folder = Path(tempfile.mkdtemp(prefix=f"natfix-machine-{os.getpid()}-"))
    try:
        # The size is a limit, not a cost.
        command("mount", "-t", "tmpfs", "-o", "mode=755,size=1g", "natfix-machine", str(folder))
        for name in ("upper", "work", "root", *APART):
            (folder / name).mkdir(parents=True)
        lower = ":".join(map(str, layers))
        options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work"
        command("mount", "-t", "overlay", "-o", options, "natfix-machine", str(folder / "root"))
        yield folder
    finally:
        remove_disk(folder)


def _nspawn(name: str, folder: Path, network: str, groups: Sequence[Path]) -> list[str]:
    """Make the command that boots a machine, in control *groups* of its own."""
    return [
        # Whatever becomes of this process, its machines end with it: a machine would outlive the end of nspawn alone.
        *("setpriv", "--pdeathsig=KILL", "--", "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"),
        *("sh", "-c", START, "start", " ".join(map(str, groups))),
        *("systemd-nspawn", "--quiet", f"--directory={folder}/root", f"--hostname={name}"),
        # Its name must be its own on this machine, where other tests may run.
        f"--machine={network}",
        # This machine may have no systemd to register with, and the tests end what they start themselves.
        *("--boot", "--register=no", "--keep-unit", "--capability=all", "--console=read-only"),
        # runc gives each container a session keyring, and a program that guards its devices.
        "--system-call-filter=@keyring bpf",
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", f"--network-namespace-path=/run/netns/{network}"),
        *(f"--bind={folder}/{place}:/{place}" for place in APART),
    ]


def _first_process(unshare: int) -> int:
    """Find process 1 of a machine, a child of the nspawn that *unshare* has started; 0 when there is none yet, or no more."""
    for nspawn in _children(unshare):
        for child in _children(nspawn):
            # Processes come and go while this looks at them.
            with suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{child}/status").read_text(encoding="utf-8")
                (pids,) = (line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:"))
                # Until it is systemd, its mounts are not in place.
                if pids[-1] == "1" and status.startswith("Name:\tsystemd\n"):
                    return child
    return 0


def _children(pid: int) -> list[int]:
    """List the processes that *pid* has started; none when it is gone."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    return []
