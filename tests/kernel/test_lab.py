"""``natfix lab`` on a real kernel: what it shows, as whom, and that nothing of it stays."""

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.kernel.leftovers import descendants, foreign_namespaces, left

pytestmark = [pytest.mark.kernel, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/schemas/lab-1.json").read_text(encoding="utf-8"))
NATFIX = (sys.executable, "-P", "-m", "natfix")
NOBODY = 65534
SECONDS = 300
# The namespaces of the lab in which there is a process: mounts, processes, and the networks of sandbox, outside and pods.
PEOPLED = 6

SEEN = {
    "outside to pod B": ["10.4.7.100"] * 4,
    "host A to pod B": ["10.4.7.21"] * 4,
    "pod A to pod B": ["10.4.7.21", "172.7.21.2", "10.4.7.21", "172.7.21.2"],
    "pod A to outside": ["10.4.7.21"] * 4,
}


def as_nobody() -> list[str]:
    """The natfix command as a user without any right, with a Python that this user can reach."""
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--bounding-set=-all", "--"]
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    given = [f"PYTHONPATH={ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE=1", f"PATH={os.environ['PATH']}"]
    reached = [sys.executable, "/usr/bin/python3"]
    for python in reached:
        command = [*drop, "env", *given, python]
        if subprocess.run([*command, "-c", "import typer"], check=False, capture_output=True, cwd="/").returncode == 0:
            return [*command, "-P", "-m", "natfix"]
    pytest.skip(f"none of {reached} can be run by another user")


def run(*words: str, natfix: Sequence[str] = NATFIX, path: str = "") -> subprocess.CompletedProcess[str]:
    """Run natfix, with the folder *path* before all others in PATH."""
    given = os.environ | {"PATH": f"{path}:{os.environ['PATH']}"} if path else None
    command = [*natfix, *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=SECONDS, cwd="/", env=given)


def seen(document: dict[str, Any]) -> dict[str, list[str]]:
    return {case["name"]: list(case["seen"].values()) for case in document["cases"]}


@contextmanager
def kept(natfix: Sequence[str] = NATFIX) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the lab with --keep until it has printed its document; end it at the end, if it has not ended."""
    with subprocess.Popen(
        [*natfix, "lab", "--keep", "--format=json"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/"
    ) as lab:
        try:
            assert lab.stdout is not None
            lines: list[str] = []
            while not lines or lines[-1] not in {"}\n", ""}:
                lines.append(lab.stdout.readline())
            yield lab, json.loads("".join(lines))
        finally:
            lab.terminate()


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_the_far_end_sees_what_is_predicted(backend: str) -> None:
    done = run("lab", f"--backend={backend}", "--format=json")
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert (document["ok"], document["backend"], document["docker"]) == (True, backend, None)
    assert seen(document) == SEEN
    assert f"iptables-{backend}: 1 rule" in document["commands"][0]["output"]
    assert [command["exit_code"] for command in document["commands"]] == [1, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_a_user_who_is_not_root_sees_the_same(backend: str) -> None:
    done = run("lab", f"--backend={backend}", "--format=json", natfix=as_nobody())
    assert done.returncode == 0, done.stdout + done.stderr
    assert seen(json.loads(done.stdout)) == SEEN


def test_a_user_who_is_not_root_gets_no_dockerd() -> None:
    done = run("lab", "--docker", natfix=as_nobody())
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("natfix: a real dockerd needs root\n")


def test_the_text_ends_with_table_and_verdict() -> None:
    done = run("lab")
    assert done.returncode == 0
    assert "pod A to pod B    172.7.21.2  10.4.7.21 (!)  172.7.21.2  10.4.7.21 (!)  172.7.21.2     ok\n" in done.stdout
    assert "    -A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\n" in done.stdout
    assert done.stdout.endswith("which a restart of Docker puts back.\n")


def test_a_repair_that_fails_is_shown_and_ends_with_1(tmp_path: Path) -> None:
    program = tmp_path / "iptables-nft-restore"
    program.write_text("#!/bin/sh\necho refused >&2\nexit 4\n")
    program.chmod(0o755)
    done = run("lab", "--format=json", path=str(tmp_path))
    document = json.loads(done.stdout)
    assert (done.returncode, document["ok"]) == (1, False)
    assert seen(document)["pod A to pod B"] == ["10.4.7.21"] * 4
    assert [case["name"] for case in document["cases"] if not case["ok"]] == ["pod A to pod B"]


def test_nothing_is_written_outside_the_sandbox() -> None:
    # A checkout may itself lie below /tmp, and must not be covered then.
    folders = [folder for folder in ("/var/lib", "/tmp", "/run") if not __file__.startswith(f"{folder}/")]  # noqa: S108
    empty = "".join(f"mount -t tmpfs t {folder}; " for folder in folders)
    # The mount of /run itself leaves a folder of that name.
    count = f"; find {' '.join(folders)} -mindepth 1 ! -path /run/mount"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", f"{empty} {shlex.join([*NATFIX, 'lab'])} >/dev/null && echo ended{count}"],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd="/",
    )
    assert (done.stdout, done.stderr) == ("ended\n", "")


def test_the_hosts_own_settings_do_not_count(tmp_path: Path) -> None:
    for name in ("upper/natfix/rules.d", "work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "upper/natfix/rules.d/bad.toml").write_text("nonsense")
    layer = f"mount -t overlay -o lowerdir=/etc,upperdir={tmp_path}/upper,workdir={tmp_path}/work o /etc && exec "
    inside = ["unshare", "--mount", "sh", "-c", f'{layer} "$@"', "sh", *NATFIX]
    assert run("check", "--cluster-cidr=172.7.0.0/16", natfix=inside).returncode == 2
    assert run("lab", natfix=inside).returncode == 0


@pytest.mark.parametrize("user", ["root", "nobody"])
def test_kept_hosts_can_be_entered_and_lead_nowhere_else(user: str) -> None:
    natfix = NATFIX if user == "root" else as_nobody()
    drop = [] if user == "root" else natfix[: natfix.index("--") + 1]
    with kept(natfix) as (_, document):
        assert list(document["entrances"]) == ["host-a", "host-b", "outside", "pod-a", "pod-b"]
        addresses = {name: _inside(drop, entrance, "ip -4 -o addr") for name, entrance in document["entrances"].items()}
        assert "10.4.7.21/24" in addresses["host-a"]
        assert "172.7.22.2/24" in addresses["pod-b"]
        for name, entrance in document["entrances"].items():
            routes = _inside(drop, entrance, "ip -4 route get 192.0.2.1; ip -o link")
            assert ("Network is unreachable" in routes) == (not name.startswith("pod-"))
            assert "Host is unreachable" not in routes


def _inside(drop: Sequence[str], entrance: str, command: str) -> str:
    words = shlex.split(entrance)
    assert words.pop() == "bash"
    done = subprocess.run([*drop, *words, "sh", "-c", command], check=False, capture_output=True, text=True, timeout=SECONDS)
    return done.stdout + done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
def test_nothing_stays_of_a_lab_that_is_ended_by(number: signal.Signals) -> None:
    with kept() as (lab, _):
        spaces = foreign_namespaces(descendants(lab.pid))
        assert len(spaces) >= PEOPLED
        lab.send_signal(number)
        code = lab.wait(SECONDS)
    assert code == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert left(spaces, lab.pid) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda one: one.name)
def test_nothing_stays_of_a_lab_that_is_ended_while_it_is_built_by(number: signal.Signals) -> None:
    with subprocess.Popen([*NATFIX, "lab"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd="/") as lab:
        while len(foreign_namespaces(descendants(lab.pid))) < 5 and lab.poll() is None:
            pass
        spaces = foreign_namespaces(descendants(lab.pid))
        lab.send_signal(number)
        output = lab.communicate(timeout=SECONDS)[0]
    assert lab.returncode == {signal.SIGINT: 130, signal.SIGTERM: 143}.get(number, -number)
    assert "Traceback" not in output
    assert left(spaces, lab.pid) == []


def test_nothing_stays_when_the_first_process_inside_is_killed() -> None:
    with kept() as (lab, document):
        spaces = foreign_namespaces(descendants(lab.pid))
        target = shlex.split(document["entrances"]["host-a"])[2]
        os.kill(int(target), signal.SIGKILL)
        assert lab.wait(SECONDS) != 0
    assert left(spaces, lab.pid) == []


def test_nothing_stays_after_an_ordinary_end() -> None:
    with subprocess.Popen([*NATFIX, "lab"], stdout=subprocess.DEVNULL, cwd="/") as lab:
        spaces: set[str] = set()
        while lab.poll() is None:
            spaces |= foreign_namespaces(descendants(lab.pid))
    assert lab.returncode == 0
    assert len(spaces) >= PEOPLED
    assert left(spaces, lab.pid) == []


def test_a_kernel_that_refuses_namespaces_is_named() -> None:
    forbid = "echo 0 > /proc/sys/user/max_net_namespaces && exec "
    done = run(natfix=["unshare", "--user", "--map-root-user", "sh", "-c", forbid + shlex.join([*NATFIX, "lab"])])
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("natfix: the lab needs namespaces, and they are refused: ")
    assert "No space left on device" in done.stderr


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    hide = "mount --bind /dev/null /usr/sbin/iptables-legacy && exec "
    done = run(natfix=["unshare", "--mount", "sh", "-c", hide + shlex.join([*NATFIX, "lab", "--backend=legacy"])])
    assert (done.returncode, done.stdout) == (2, "")
    assert "iptables-legacy" in done.stderr
