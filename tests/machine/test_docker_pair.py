"""Two hosts with a real dockerd each: what the log of a container's server shows, before and after natfix."""

import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.kernel.leftovers import descendants, foreign_namespaces, left

pytestmark = [pytest.mark.machine, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads((ROOT / "docs/schemas/lab-1.json").read_text(encoding="utf-8"))
LAB = (sys.executable, "-P", "-m", "natfix", "lab", "--docker", "--format=json")
BROAD = "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
NARROW = "-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"
# What this test looks at from outside while the lab runs, and what dockerd and containerd write to of their own accord.
WATCHED = ("/etc/docker", "/opt", "/run/docker", "/run/containerd", "/var/lib/docker", "/var/lib/containerd")

Document = dict[str, Any]


def listing() -> list[str]:
    return [str(path) for folder in WATCHED for path in [Path(folder), *Path(folder).rglob("*")] if path.exists()]


@pytest.fixture(scope="module", params=["nft", "legacy"])
def lab(request: pytest.FixtureRequest) -> Document:
    """The document of one run of the lab, which has left nothing behind."""
    before = listing()
    spaces: set[str] = set()
    with subprocess.Popen([*LAB, f"--backend={request.param}"], stdout=subprocess.PIPE, text=True, cwd="/") as process:
        while process.poll() is None:
            spaces |= foreign_namespaces(descendants(process.pid))
            # The lab has work to do, and this machine two processors.
            time.sleep(0.02)
        output = process.communicate(timeout=60)[0]
    assert left(spaces, process.pid) == []
    assert listing() == before
    document: Document = json.loads(output)
    assert (process.returncode, document["backend"]) == (0, request.param), output
    return document


def name_of(pid: int) -> str:
    """What a process is called; nothing when it has just ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def seen(lab: Document, case: str) -> list[str]:
    (one,) = (one for one in lab["cases"] if one["name"] == case)
    return list(one["seen"].values())


def logged(lab: Document, case: str) -> list[str]:
    """The source addresses in the log of the server in pod B, in the order of the requests."""
    lines = [line for line in lab["server_log"] if f"/{case.replace(' ', '-')}-" in line]
    return [line.partition("]")[0].removeprefix("[::ffff:") for line in lines]


def output(lab: Document, moment: str, command: str) -> str:
    (one,) = (one for one in lab["commands"] if (one["moment"], one["command"][1]) == (moment, command))
    return str(one["output"])


def test_the_document_follows_its_schema(lab: Document) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(lab)
    assert lab["docker"]
    assert lab["ok"]


def test_the_servers_log_shows_the_node_before_and_the_pod_after(lab: Document) -> None:
    assert logged(lab, "pod A to pod B") == ["10.4.7.21", "172.7.21.2", "10.4.7.21", "172.7.21.2"]


def test_the_servers_log_shows_hosts_and_outsiders_as_they_are(lab: Document) -> None:
    assert logged(lab, "host A to pod B") == ["10.4.7.21"] * 4
    assert logged(lab, "outside to pod B") == ["10.4.7.100"] * 4


def test_the_log_says_what_the_client_was_told(lab: Document) -> None:
    for case in ("outside to pod B", "host A to pod B", "pod A to pod B"):
        assert logged(lab, case) == seen(lab, case)


def test_check_finds_dockers_own_rule_and_after_a_restart_its_return(lab: Document) -> None:
    assert BROAD in output(lab, "before", "check")
    assert "NAT001" in output(lab, "before", "check")
    assert BROAD in output(lab, "after_restart", "check")
    assert "NAT003" in output(lab, "after_restart", "check")
    assert [one["exit_code"] for one in lab["commands"] if one["command"][1] == "check"] == [1, 0, 1, 0]


def test_apply_corrects_the_rule_and_after_a_restart_deletes_it(lab: Document) -> None:
    assert f"-{BROAD}\n+{NARROW}\n" in output(lab, "after", "apply")
    assert f"-{BROAD}\n" in output(lab, "applied_again", "apply")
    assert f"+{NARROW}" not in output(lab, "applied_again", "apply")


def test_a_published_port_works_as_before(lab: Document) -> None:
    assert seen(lab, "outside to published port") == ["10.4.7.100"] * 4
    assert seen(lab, "pod B to published port") == ["10.4.7.22"] * 4


def test_a_pod_reaches_the_outside_as_its_host_all_the_time(lab: Document) -> None:
    assert seen(lab, "pod A to outside") == ["10.4.7.21"] * 4


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_nothing_stays_of_two_dockerds_that_are_ended_by(number: signal.Signals) -> None:
    before = listing()
    with subprocess.Popen([*LAB, "--keep"], stdout=subprocess.PIPE, text=True, cwd="/") as process:
        assert process.stdout is not None
        while process.stdout.readline() not in {"}\n", ""}:
            pass
        spaces = foreign_namespaces(descendants(process.pid))
        commands = set(map(name_of, descendants(process.pid)))
        process.send_signal(number)
        process.wait(180)
    assert {"dockerd", "containerd", "busybox"} <= commands
    assert left(spaces, process.pid) == []
    assert listing() == before
