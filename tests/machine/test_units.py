"""``natfix install`` on whole machines: each mode through restarts, crashes and reboots, and nothing left of it afterwards."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.hosts import nameless
from tests.machine.conftest import Images
from tests.machine.machines.images import RELEASES
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.wire import wire

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

MODES = ("watch", "path", "drop-in")
SAVED = "/etc/iptables/rules.v4"
RESTORER = "/etc/systemd/system/netfilter-persistent.service"
# Writes down the rules that are there when the boot is over.
PROBE = """\
[Unit]
DefaultDependencies=no
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'iptables-save -t nat >/run/at-multi-user'
[Install]
WantedBy=graphical.target
"""
RESTORED_LATE = """\
[Unit]
After=docker.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/netfilter-persistent start
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module", params=RELEASES)
def machine(request: pytest.FixtureRequest, images: Images, natfix_layer: Path) -> Iterator[DockerHost]:
    """A Docker host of one release that knows its cluster, for all tests of this module."""
    with wire() as cable, DockerHost("hU", 21, [natfix_layer, images(request.param)], cable) as host:
        host.route(DockerHost("hV", 22, [], cable))
        host.prepare({}, "nft")
        host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
        host.put("/etc/systemd/system/at-multi-user.service", PROBE)
        host.boot()
        host.output("systemctl", "enable", "at-multi-user.service")
        yield host


@pytest.fixture
def host(machine: DockerHost) -> Iterator[DockerHost]:
    """The host with Docker's rules as they are after a first start, and nothing of natfix's afterwards."""
    machine.output("iptables", "-t", "nat", "-F", "POSTROUTING")
    machine.restart_docker()
    yield machine
    machine.run("natfix", "uninstall")


def traces(host: DockerHost) -> list[str]:
    """What an install can leave behind: files, links and folders below /etc, its memory, units that systemd knows."""
    files = host.output("find", "/etc/systemd", "/var/lib/natfix", "-not", "-path", "*/history/*").splitlines()
    units = host.output("systemctl", "list-units", "--all", "--plain", "--no-legend", "natfix*").splitlines()
    return sorted(files) + [unit.split()[0] for unit in units if "not-found" not in unit]


@pytest.mark.parametrize("mode", MODES)
def test_the_host_is_right_after_each_restart_of_docker(host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    assert eventually(host.is_right)
    for _ in range(3):
        host.restart_docker()
        # Only the drop-in promises that the start job waits for natfix.
        assert host.is_right() if mode == "drop-in" else eventually(host.is_right)


def test_a_restart_of_docker_and_reapply_in_one_word_returns_when_the_host_is_right(host: DockerHost) -> None:
    host.output("natfix", "install", "--path")
    for _ in range(3):
        host.output("systemctl", "reset-failed", "docker.service")
        host.output("systemctl", "restart", "docker.service", "natfix-reapply.service")
        assert host.is_right()


@pytest.mark.parametrize("mode", MODES)
def test_the_host_is_right_after_a_crash_a_socket_activation_and_two_restarts_at_once(host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    for script in (
        "systemctl kill --signal=KILL docker.service; until systemctl is-active docker.service; do sleep 0.2; done",
        "systemctl stop docker.service; systemctl start docker.socket; docker version",
        "systemctl restart docker.service; systemctl restart docker.service",
        "systemctl stop docker.service; systemctl start docker.service",
    ):
        host.output("systemctl", "reset-failed", "docker.service")
        host.output("sh", "-c", script)
        assert eventually(host.is_right), script


def test_what_was_undone_is_left_alone_by_all_that_is_installed(host: DockerHost) -> None:
    host.output("natfix", "apply")
    host.output("natfix", "undo")
    try:
        told = host.output("natfix", "install", "--watch", "--path", "--drop-in")
        assert f"was undone: iptables-nft: {host.broad}; correct it again with: natfix apply" in told
        for _ in range(2):
            host.output("systemctl", "reset-failed", "docker.service")
            host.output("systemctl", "restart", "docker.service", "natfix-reapply.service")
            assert host.broad in host.postrouting()
        # Once at its start, whatever Docker does then.
        told = host.journal("--unit=natfix-watch.service")
        assert told.count(f"iptables-nft: {host.broad}. It is not corrected any more") == 1, told
    finally:
        host.output("natfix", "apply")
    assert host.is_right()
    host.restart_docker()
    assert eventually(host.is_right)


@pytest.mark.parametrize("mode", ["watch", "path"])
def test_a_network_that_is_created_is_corrected_too(host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")

    def other(host: DockerHost) -> list[bool]:
        """For each rule of the other network whether it is corrected."""
        return [f" ! -d {CLUSTER} " in rule for rule in host.postrouting() if "-s 172.7.99.0/24 " in rule]

    host.output("docker", "network", "create", "--subnet=172.7.99.0/24", "other")
    try:
        assert eventually(lambda: other(host) == [True]), (host.postrouting(), host.run("natfix", "check").stdout)
    finally:
        host.output("docker", "network", "rm", "other")


@pytest.mark.parametrize("mode", MODES)
def test_a_restored_ruleset_is_corrected(host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    host.put(SAVED, f"*nat\n:POSTROUTING ACCEPT [0:0]\n{host.broad}\nCOMMIT\n")
    host.output("systemctl", "restart", "netfilter-persistent.service")
    assert eventually(host.is_right)


@pytest.mark.parametrize("order", ["before", "after"])
@pytest.mark.parametrize("mode", MODES)
def test_after_a_reboot_the_host_is_right_whatever_the_order(host: DockerHost, mode: str, order: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    host.put(SAVED, f"*nat\n:POSTROUTING ACCEPT [0:0]\n{host.broad}\nCOMMIT\n")
    if order == "after":
        host.put(RESTORER, RESTORED_LATE)
    try:
        host.output("systemctl", "enable", "netfilter-persistent.service")
        host.reboot()
        saved = host.output("cat", "/run/at-multi-user")
        assert host.broad not in saved.splitlines(), saved
        assert host.narrow in saved.splitlines(), saved
        assert host.is_right()
        assert "ordering cycle" not in host.journal()
        assert host.output("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""
    finally:
        host.output("rm", "-f", RESTORER, SAVED)
        host.output("systemctl", "daemon-reload")


def test_that_the_boot_will_undo_what_is_saved_is_told_and_comes_true_unless_natfix_is_installed(host: DockerHost) -> None:
    def told() -> list[str]:
        """What is told of the saved file, by the host and by its file alike."""
        there = json.loads(host.run("natfix", "check", "--format", "json").stdout)
        host.run("natfix", "collect", "--output", "/run/h.natfix")
        here = json.loads(host.run("natfix", "check", "/run/h.natfix", "--format", "json").stdout)
        assert nameless(here, "/run/h.natfix") == nameless(there)
        found = [each for table in there["tables"] for each in table["findings"] if each["id"].startswith("SAV")]
        return [f"{each['id']} {each['rule']['text']}" for each in found]

    host.output("systemctl", "enable", "netfilter-persistent.service")
    configured = host.output("cat", "/etc/docker/daemon.json")
    host.output("natfix", "apply")
    try:
        assert told() == [f"SAV004 {host.narrow}"]
        host.output("natfix", "install", "--path")
        assert told() == []
        host.output("natfix", "uninstall")
        host.put("/etc/docker/daemon.json", json.dumps({**json.loads(configured), "ip-masq": False}))
        host.restart_docker()
        assert told() == []
        host.put("/etc/docker/daemon.json", configured)
        host.reboot()
        before = host.output("cat", "/run/at-multi-user").splitlines()
        assert before.index(host.broad) < before.index(host.narrow)
    finally:
        host.put("/etc/docker/daemon.json", configured)
        host.output("rm", "-f", SAVED)


@pytest.mark.parametrize("mode", MODES)
def test_an_uninstall_leaves_nothing(host: DockerHost, mode: str) -> None:
    host.run("natfix", "apply")
    before = traces(host)
    host.output("natfix", "install", f"--{mode}", "--guard")
    assert traces(host) != before
    assert "table ip natfix" in host.output("nft", "list", "tables")
    host.output("natfix", "uninstall")
    assert traces(host) == before
    assert "table ip natfix" not in host.output("nft", "list", "tables")


def test_a_changed_unit_stays_and_is_named(host: DockerHost) -> None:
    host.output("natfix", "install", "--drop-in")
    path = "/etc/systemd/system/docker.service.d/natfix.conf"
    host.output("sh", "-c", f"echo '# mine' >>{path}")
    assert f"note: {path} was changed" in host.output("natfix", "uninstall")
    assert host.output("tail", "-1", path) == "# mine\n"
    host.output("rm", "-r", path.rpartition("/")[0])


def test_an_install_that_fails_leaves_nothing(host: DockerHost) -> None:
    host.run("natfix", "apply")
    before = traces(host)
    host.put("/etc/natfix/natfix.toml", "nonsense = 1\n")
    try:
        done = host.run("natfix", "install", "--watch")
    finally:
        host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
    assert (done.returncode, traces(host)) == (2, before)
    assert "natfix-watch.service" in done.stderr


def test_a_natfix_that_fails_never_fails_docker(host: DockerHost) -> None:
    host.output("natfix", "install", "--drop-in")
    host.put("/etc/natfix/natfix.toml", "nonsense = 1\n")
    try:
        host.restart_docker()
    finally:
        host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
    assert host.output("systemctl", "is-active", "docker.service") == "active\n"
    assert "unknown key nonsense" in host.journal("--unit=docker.service")


def test_a_watcher_that_is_killed_is_started_again_and_goes_on(host: DockerHost) -> None:
    host.output("natfix", "install", "--watch")
    host.output("systemctl", "kill", "--signal=KILL", "natfix-watch.service")
    assert eventually(lambda: "NRestarts=1" in host.output("systemctl", "show", "--property=NRestarts", "natfix-watch.service"))
    assert eventually(lambda: host.run("systemctl", "is-active", "natfix-watch.service").returncode == 0)
    host.output("iptables", "-t", "nat", "-I", *host.broad.split()[1:])
    assert eventually(host.is_right)


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_the_confined_watcher_may_do_all_it_has_to(host: DockerHost, backend: str) -> None:
    host.output("natfix", "install", "--watch")
    pid = host.output("systemctl", "show", "--property=MainPID", "--value", "natfix-watch.service").strip()
    # CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_PTRACE.
    assert "CapEff:\t0000000000083000\n" in host.output("cat", f"/proc/{pid}/status")
    program = f"iptables-{backend}"
    host.output(program, "-t", "nat", "-I", *host.broad.split()[1:])
    try:
        assert eventually(lambda: host.broad not in host.output(f"{program}-save", "-t", "nat").splitlines())
        assert host.narrow in host.output(f"{program}-save", "-t", "nat").splitlines()
        assert eventually(lambda: host.run("natfix", "status").returncode == 0), host.run("natfix", "status").stdout
    finally:
        host.run("iptables-legacy", "-t", "nat", "-F", "POSTROUTING")


def test_the_watchers_exposure_is_at_most_2_5(host: DockerHost) -> None:
    host.output("natfix", "install", "--watch")
    told = host.output("systemd-analyze", "security", "--no-pager", "natfix-watch.service")
    found = re.search(r"Overall exposure level for natfix-watch.service: ([\d.]+)", told)
    assert found is not None
    assert float(found[1]) <= 2.5


def test_systemd_finds_nothing_wrong_with_the_units(host: DockerHost) -> None:
    host.output("natfix", "install", "--watch", "--path", "--drop-in")
    done = host.run("sh", "-c", "systemd-analyze verify /etc/systemd/system/natfix-* docker.service")
    assert [line for line in (done.stdout + done.stderr).splitlines() if "natfix" in line] == []


def test_supervisor_runs_the_watcher(host: DockerHost) -> None:
    section = host.output("natfix", "install", "--supervisor")
    host.put("/etc/supervisor/conf.d/natfix-watch.conf", section)
    host.output("systemctl", "start", "supervisor.service")
    try:
        assert eventually(lambda: "RUNNING" in host.run("supervisorctl", "status", "natfix-watch").stdout)
        assert eventually(host.is_right)
        host.restart_docker()
        assert eventually(host.is_right)
        host.output("sh", "-c", "kill -KILL $(supervisorctl pid natfix-watch)")
        assert eventually(lambda: "RUNNING" in host.run("supervisorctl", "status", "natfix-watch").stdout)
        host.output("iptables", "-t", "nat", "-I", *host.broad.split()[1:])
        assert eventually(host.is_right)
    finally:
        host.output("systemctl", "stop", "supervisor.service")
        host.output("rm", "/etc/supervisor/conf.d/natfix-watch.conf")


def test_what_is_installed_can_be_told_as_json(host: DockerHost) -> None:
    document = json.loads(host.output("natfix", "install", "--watch", "--format=json"))
    assert (document["verb"], document["done"]) == ("install", True)
    assert "/etc/systemd/system/natfix-watch.service" in [change["place"] for change in document["changes"]]
