"""The machines the other tests of this folder stand on: they boot, Docker does on them what it does on hosts, and they go."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.leftovers import descendants
from tests.machine.conftest import DockerPairs, Images
from tests.machine.machines.cgroups import hierarchies
from tests.machine.machines.installed import ROOT
from tests.machine.machines.machine import Machine, running
from tests.machine.machines.pair import CLUSTER, Pair
from tests.machine.machines.stream import stream
from tests.machine.machines.sweep import sweep

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

DOCKERS = {"bookworm": "20.10.", "trixie": "26.", "sid": "28."}
WANTS = "etc/systemd/system/multi-user.target.wants"
APPLY = ("natfix", "apply", "--cluster-cidr", CLUSTER)

# A run of tests that boots a machine and then waits, to be ended from outside.
ALONE = """\
import signal, sys
from pathlib import Path
from tests.machine.machines.machine import Machine

with Machine("hD", [Path(sys.argv[1])], lambda network: None) as machine:
    machine.boot()
    print("booted", flush=True)
    signal.pause()
"""


@pytest.fixture
def fresh(pair: Pair) -> Pair:
    """A pair whose hA has the rules of a Docker that has just been started for the first time."""
    pair.a.output("iptables", "-t", "nat", "-F", "POSTROUTING")
    pair.a.output("rm", "-f", "/etc/iptables/rules.v4")
    pair.a.restart_docker()
    pair.a.pod.wait()
    return pair


def traces(owner: int) -> list[str]:
    """What machines of the process *owner* leave on the host."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    groups = [group for root in hierarchies() for group in root.glob(f"natfix-*-{owner}-*")]
    networks = Path("/run/netns").glob(f"natfix-*-{owner}-*")
    return [*(line for line in mounts if f"/natfix-machine-{owner}-" in line), *map(str, [*groups, *networks])]


def test_both_hosts_boot_with_every_unit_as_it_should_be(pair: Pair) -> None:
    for host in (pair.a, pair.b):
        assert host.output("systemctl", "is-system-running").strip() == "running", host.account()
        assert host.output("hostname").strip() == host.name
        assert host.docker_version().startswith(DOCKERS[pair.release])


def test_the_hosts_have_nobody_but_each_other(pair: Pair) -> None:
    assert [line.split()[0] for line in pair.a.output("ip", "route").splitlines()] == [
        "10.4.7.0/24",
        "172.7.21.0/24",
        pair.b.subnet,
    ]
    assert pair.a.output("ls", "/sys/class/net").split()[:2] == ["docker0", "eth0"]


def test_docker_writes_the_rule_that_hides_pods(fresh: Pair) -> None:
    assert fresh.a.postrouting() == ["-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"]
    assert fresh.seen() == "10.4.7.21"


def test_natfix_shows_the_pod_until_docker_is_restarted(fresh: Pair) -> None:
    fresh.a.output(*APPLY)
    assert fresh.a.postrouting() == [fresh.a.narrow]
    assert fresh.seen() == "172.7.21.2"
    fresh.a.restart_docker()
    fresh.a.pod.wait()
    assert fresh.a.postrouting() == [fresh.a.broad, fresh.a.narrow]
    assert fresh.seen() == "10.4.7.21"


def test_a_stream_tells_when_the_node_was_seen(fresh: Pair) -> None:
    host = fresh.a
    with stream(host.attach_pod(), fresh.b.pod) as flow:
        flow.wait_for(400)
        applied = time.monotonic()
        host.output(*APPLY)
        shown = time.monotonic()
        flow.wait_for(400)
        restarted = time.monotonic()
        host.restart_docker()
        hidden = time.monotonic()
        flow.wait_for(400)
        traffic = flow.traffic()
    assert set(traffic.between(0, applied).sources) == {host.address}
    assert set(traffic.between(shown, restarted).sources) == {"172.7.21.250"}
    assert set(traffic.between(hidden, float("inf")).sources) == {host.address}
    # The pod stood on docker0 throughout, so what happened while Docker restarted was seen too.
    assert len(traffic.between(restarted, hidden).arrivals) > 50
    assert set(traffic.outcomes) == {"answered"}
    # In between, a restart takes the rule away and puts it back.
    before, *_, after = traffic.windows(host.address)
    assert before > (applied - traffic.arrivals[0].accepted) * 1000
    assert after > (traffic.arrivals[-1].accepted - hidden) * 1000


def test_a_reboot_keeps_the_disk_and_nothing_else(fresh: Pair) -> None:
    host = fresh.a
    host.output(*APPLY)
    host.put("/run/forgotten", "")
    host.output("iptables", "-A", "INPUT", "-j", "ACCEPT")
    host.reboot()
    host.pod.wait()
    assert host.run("test", "-e", "/run/forgotten").returncode == 1
    assert "-A INPUT" not in host.output("iptables-save", "-t", "filter")
    # What natfix saved was loaded first, and then Docker put its rule on top of it.
    assert host.postrouting() == [host.broad, host.narrow]
    assert fresh.seen() == "10.4.7.21"


def test_a_pair_can_use_the_legacy_programs_and_settings_of_its_own(docker_pairs: DockerPairs) -> None:
    with docker_pairs("trixie", settings={"live-restore": True}, backend="legacy") as pair:
        assert "(legacy)" in pair.a.output("iptables", "--version")
        assert pair.a.postrouting() == [pair.a.broad]
        assert pair.a.output("docker", "info", "--format={{.LiveRestoreEnabled}}").strip() == "true"
        assert pair.seen() == pair.a.address


@pytest.fixture
def lone(images: Images) -> Iterator[Machine]:
    """A machine that is off and on no wire, and leaves no trace."""
    before = traces(os.getpid())
    with Machine("hC", [images("bookworm")], lambda network: None) as machine:
        yield machine
    assert machine not in running
    assert traces(os.getpid()) == before


def test_a_file_is_written_whether_a_machine_is_on_or_off(lone: Machine) -> None:
    lone.put("/etc/natfix test/off", "1\n", mode=0o600)
    lone.boot()
    lone.put("/etc/natfix test/on", "12\n", mode=0o640)
    assert lone.output("sh", "-c", "stat --format='%a %s' /etc/natfix*/*") == "600 2\n640 3\n"


def test_the_account_of_a_machine_names_the_unit_that_failed(lone: Machine) -> None:
    lone.put("/etc/systemd/system/broken.service", "[Service]\nExecStart=/bin/sh -c 'echo such a pity; exit 3'\n")
    (lone.root / WANTS / "broken.service").symlink_to("/etc/systemd/system/broken.service")
    lone.boot()
    account = lone.account()
    assert "broken.service" in account.partition("failed units:")[2].partition("jobs:")[0]
    assert "such a pity" in account


def test_a_machine_that_does_not_boot_says_why(lone: Machine) -> None:
    (lone.root / "usr/lib/systemd/systemd").write_text("no program")
    with pytest.raises(AssertionError, match="hC did not boot: not started") as caught:
        lone.boot()
    assert "console of hC" in caught.value.__notes__[0]


def test_a_program_that_fails_says_where_and_what(lone: Machine) -> None:
    lone.boot()
    with pytest.raises(AssertionError, match=r"hC: ls /none: exit code 2\n.*No such file"):
        lone.output("ls", "/none")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda one: one.name)
def test_no_process_of_a_machine_outlives_the_tests(images: Images, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ALONE, str(images("bookworm"))], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as tests:
        assert tests.stdout is not None
        assert tests.stdout.readline() == "booted\n"
        processes = descendants(tests.pid)
        tests.send_signal(number)
        tests.wait(180)
    assert len(processes) > 5
    end = time.monotonic() + 60
    while left := [pid for pid in processes if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < end, f"still there: {left}"
        time.sleep(0.1)
    sweep()
    assert traces(tests.pid) == []
