import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.app.ports import Process, Processes
from natfix.host.memory.network import MemoryProcesses
from natfix.host.processes import HostProcesses, rename_this

FLANNELD = ("/opt/bin/flanneld", "--subnet-file=/data/subnet.env", "--odd=\udcff")
CONTROLLER = ("kube-controller-manager", "--cluster-cidr=172.7.0.0/16")


class Proc:
    """A procfs of a few processes; this one is 1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.add(1, "init", ("init",))
        (folder / "self").symlink_to("1")

    def add(self, pid: int, comm: str, arguments: tuple[str, ...], *, uids: str = "0 0 0 0", net: str = "net:[1]") -> None:
        place = self.folder / str(pid)
        (place / "ns").mkdir(parents=True)
        (place / "ns/net").symlink_to(net)
        (place / "comm").write_text(f"{comm}\n")
        (place / "cmdline").write_bytes(b"".join(os.fsencode(argument) + b"\0" for argument in arguments))
        (place / "status").write_text(f"Name:\t{comm}\nUid:\t{uids.replace(' ', chr(9))}\nGid:\t0\t0\t0\t0\n")


@pytest.fixture(params=["memory", "host"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Processes:
    if request.param == "memory":
        return MemoryProcesses([Process(200, "kube-controller-manager", CONTROLLER), Process(30, "flanneld", FLANNELD)])
    proc = Proc(tmp_path)
    proc.add(200, "kube-controller", CONTROLLER)
    proc.add(30, "flanneld", FLANNELD)
    proc.add(31, "flanneld", FLANNELD, uids="1000 1000 1000 1000")
    proc.add(32, "flanneld", FLANNELD, uids="1000 0 0 0")
    proc.add(33, "flanneld", FLANNELD, net="net:[2]")
    proc.add(34, "flanneld", ())
    proc.add(201, "kube-controller", ("kube-controller-of-another-kind",))
    (tmp_path / "40").mkdir()
    return HostProcesses(str(tmp_path))


def test_daemons_are_found_in_one_pass_sorted_by_pid(processes: Processes) -> None:
    assert processes.running("kube-controller-manager", "kubelet", "flanneld") == (
        Process(30, "flanneld", FLANNELD),
        Process(200, "kube-controller-manager", CONTROLLER),
    )


def test_what_does_not_run_is_not_found(processes: Processes) -> None:
    assert processes.running("kubelet") == ()
    assert processes.running() == ()


@contextmanager
def program(path: Path, *before: str) -> Iterator[int]:
    """Run a copy of sleep under another name; give its pid once it is that program."""
    shutil.copy(shutil.which("sleep") or "/bin/sleep", path)
    process = subprocess.Popen([*before, str(path), "60"])
    try:
        end = time.monotonic() + 20
        while Path(f"/proc/{process.pid}/comm").read_text().rstrip("\n") != path.name[:15]:
            assert time.monotonic() < end
            time.sleep(0.01)
        yield process.pid
    finally:
        process.kill()
        process.wait()


@pytest.mark.kernel
def test_on_this_host_a_daemon_of_root_counts_and_one_in_disguise_does_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "natfix-flanneld-of-a-test"
    with program(path) as pid:
        assert HostProcesses().running(path.name) == (Process(pid, path.name, (str(path), "60")),)
    with program(path, "unshare", "--net"):
        assert HostProcesses().running(path.name) == ()


def test_a_process_can_take_a_name(tmp_path: Path) -> None:
    rename_this("natfix", str(tmp_path))
    script = "from natfix.host.processes import rename_this; rename_this('natfix'); print(open('/proc/self/comm').read())"
    assert subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout == "natfix\n\n"
