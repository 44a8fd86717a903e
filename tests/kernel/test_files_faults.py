"""HostFiles on disks that refuse, and killed before every system call it makes."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from natfix.errors import HostError
from natfix.host.files import HostFiles

pytestmark = pytest.mark.kernel("strace")

NOBODY = 65534
OLD = b"old\n" * 1000
NEW = b"new\n" * 2000

# What replacing a file asks of the kernel; names differ between architectures and C libraries, and strace takes them all.
CALLS = (
    *("openat", "close", "newfstatat", "fstat", "fstatat64", "readlink", "readlinkat", "getdents64", "flock"),
    *("fgetxattr", "fsetxattr", "fremovexattr", "write", "fchown", "fchmod", "fsync"),
    *("rename", "renameat", "renameat2", "unlink", "unlinkat"),
)

# Waits until strace watches, then replaces the file that is named with what NEW holds.
REPLACE = f"""
import os, sys
from natfix.errors import HostError
from natfix.host.files import HostFiles
files = HostFiles()
print("ready", flush=True)
sys.stdin.readline()
try:
    files.replace(sys.argv[1], {NEW!r})
except HostError as error:
    print(error, flush=True)
    os._exit(2)
os._exit(0)
"""


def replace_under_strace(path: Path, log: Path, *options: str) -> tuple[int, str]:
    """Replace *path* by NEW in a process of its own, watched from right before; return how it ended and what it said."""
    command = [sys.executable, "-c", REPLACE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdout.readline()
        watch = ["strace", "-f", "-o", str(log), "-p", str(process.pid), *options]
        with subprocess.Popen(watch, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr
            attached = strace.stderr.readline()
            assert "attached" in attached, attached
            process.stdin.write("go\n")
            process.stdin.close()
            said = process.stdout.read()
            process.wait(60)
            strace.communicate(timeout=60)
    return process.returncode, said


def steps(folder: Path) -> list[tuple[str, int]]:
    """Every system call that replacing a file makes, as its name and the how-manieth of that name it is."""
    path = put_old(folder)
    log = folder / "log"
    assert replace_under_strace(path, log, "-e", f"trace={','.join(f'?{call}' for call in CALLS)}") == (0, "")
    names = [line.split()[1].partition("(")[0] for line in log.read_text().splitlines() if "(" in line]
    count: Counter[str] = Counter()
    found = []
    for name in names:
        count[name] += 1
        found.append((name, count[name]))
    return found


def put_old(folder: Path) -> Path:
    """Make a file that is another user's, labelled, and has a killed natfix's litter beside it."""
    path = folder / "rules.v4"
    path.write_bytes(OLD)
    path.chmod(0o640)
    os.chown(path, NOBODY, NOBODY)
    os.setxattr(path, "security.selinux", b"label\0")
    (folder / ".rules.v4.natfix-01234567").write_bytes(b"half")
    return path


@pytest.mark.slow
def test_killed_before_any_system_call_the_file_is_old_or_new_and_the_next_time_clears_up(tmp_path: Path) -> None:
    dry = tmp_path / "dry"
    dry.mkdir()
    every = steps(dry)
    assert {"openat", "write", "flock", "fchown", "fchmod", "fsetxattr", "fsync"} <= {name for name, _ in every}
    found = set()
    for number, (name, nth) in enumerate(every):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = put_old(folder)
        status, _ = replace_under_strace(path, tmp_path / "log", "-e", f"inject={name}:signal=SIGKILL:when={nth}")
        assert status == -9, (name, nth)
        content = path.read_bytes()
        assert content in {OLD, NEW}, (name, nth)
        found.add(content)
        owned = (path.stat().st_uid, path.stat().st_mode & 0o777, os.getxattr(path, "security.selinux"))
        assert owned == (NOBODY, 0o640, b"label\0"), (name, nth)
        HostFiles().replace(str(path), b"next")
        assert path.read_bytes() == b"next"
        assert [one.name for one in folder.iterdir()] == ["rules.v4"], (name, nth)
    assert found == {OLD, NEW}


# For each step that can fail on a real disk: the call, which of them, the error, and what natfix says.
REFUSED = [
    ("write", 1, "ENOSPC", "the disk is full"),
    ("write", 1, "EDQUOT", "the disk quota is used up"),
    ("fsync", 1, "EIO", "the disk reports an error"),
    ("fchown", 1, "EPERM", "operation not permitted"),
    ("fsetxattr", 1, "EACCES", "permission denied"),
    ("fchmod", 1, "EROFS", "the file system is read-only"),
    ("?rename,?renameat,?renameat2", 1, "EBUSY", "something is mounted on it"),
]


@pytest.mark.parametrize(("call", "nth", "error", "message"), REFUSED)
def test_a_refused_step_leaves_the_old_file_and_no_other(tmp_path: Path, call: str, nth: int, error: str, message: str) -> None:
    folder = tmp_path / "iptables"
    folder.mkdir()
    path = put_old(folder)
    options = ("-e", f"inject={call}:error={error}:when={nth}")
    status, said = replace_under_strace(path, tmp_path / "log", *options)
    assert status == 2
    assert said.startswith(f"cannot write {path}: {message}\n  ")
    assert path.read_bytes() == OLD
    assert [one.name for one in folder.iterdir()] == ["rules.v4"]


def test_when_the_folder_cannot_be_synced_natfix_says_that_the_file_is_changed(tmp_path: Path) -> None:
    path = put_old(tmp_path)
    status, said = replace_under_strace(path, tmp_path / "log", "-e", "inject=fsync:error=EIO:when=2")
    assert (status, path.read_bytes()) == (2, NEW)
    assert said.startswith(f"{path} is changed, but the disk did not confirm it")


def test_a_folder_that_cannot_be_synced_at_all_is_no_error(tmp_path: Path) -> None:
    path = put_old(tmp_path)
    status, _ = replace_under_strace(path, tmp_path / "log", "-e", "inject=fsync:error=EINVAL:when=2")
    assert (status, path.read_bytes()) == (0, NEW)


def replace_on(disk: Path, mounting: str, size: int) -> str:
    """Write *size* bytes to rules.v4 in *disk*, mounted by a shell script nobody else sees; return what natfix said."""
    program = f"""
from natfix.errors import HostError
from natfix.host.files import HostFiles
import os, pathlib
try:
    HostFiles().replace({str(disk / "rules.v4")!r}, b"x" * {size})
except HostError as error:
    print(error)
print(len(HostFiles().read({str(disk / "rules.v4")!r})), sorted(os.listdir({str(disk)!r})))
"""
    script = f'set -e; {mounting}; exec "$0" -c "$1"'
    command = ["unshare", "--mount", "sh", "-c", script, sys.executable, program]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


def test_on_a_full_disk_the_old_file_stays_and_no_other(tmp_path: Path) -> None:
    mounting = f"mount -t tmpfs -o size=64k none {tmp_path}; printf old > {tmp_path}/rules.v4"
    assert replace_on(tmp_path, mounting, 1_000_000).splitlines() == [
        f"cannot write {tmp_path}/rules.v4: the disk is full",
        f"  Free some space; df {tmp_path} shows how much there is.",
        "3 ['rules.v4']",
    ]
    assert replace_on(tmp_path, mounting, 1000) == "1000 ['rules.v4']\n"


def test_on_a_read_only_disk_the_old_file_stays(tmp_path: Path) -> None:
    mounting = f"mount -t tmpfs none {tmp_path}; printf old > {tmp_path}/rules.v4; mount -o remount,ro {tmp_path}"
    said = replace_on(tmp_path, mounting, 10).splitlines()
    assert said[0] == f"cannot write {tmp_path}/rules.v4: the file system is read-only"
    assert said[-1] == "3 ['rules.v4']"


def test_a_file_that_is_a_mount_of_its_own_stays(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "rules.v4").touch()
    said = replace_on(tmp_path, f"mount --bind {tmp_path}/elsewhere {tmp_path}/rules.v4", 10).splitlines()
    assert said[0] == f"cannot write {tmp_path}/rules.v4: something is mounted on it"
    assert said[-1] == "3 ['elsewhere', 'rules.v4']"


def test_without_rights_natfix_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    path = tmp_path / "rules.v4"
    path.write_bytes(OLD)
    path.chmod(0o600)
    os.seteuid(NOBODY)
    try:
        with pytest.raises(HostError, match="permission denied\n  Run natfix as root"):
            HostFiles().read(str(path))
        with pytest.raises(HostError, match="permission denied\n  Run natfix as root"):
            HostFiles().replace(str(path), NEW)
        with pytest.raises(HostError, match=r"cannot remove .*: permission denied"):
            HostFiles().remove(str(path))
    finally:
        os.seteuid(0)
    assert path.read_bytes() == OLD
