"""The Debian package, from apt install to purge, on machines with systemd and a real Docker."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.conftest import Images
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.wire import wire
from tests.packages.sources import EPOCH
from tools import debian, version, wheels
from tools.release import copy_tree

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

OLD = "0.0.9"
# Programs that are installed leave more than their own: apt's lists and logs, and bytecode of Debian's own Python.
LISTING = "find /etc /usr /opt /lib/systemd /var/lib/natfix /run/natfix /run/natfix.lock -not -path '*/__pycache__*' | sort"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package of this working tree, and one that says it is an older version."""
    folder = tmp_path_factory.mktemp("debian")
    carried = folder / "wheels"
    carried.mkdir()
    needed = wheels.fetch(carried)
    older = copy_tree(folder / "older")
    version.change(older, OLD)
    made = {}
    for name, source in (("old", older), ("new", debian.ROOT)):
        (folder / name).mkdir()
        own = wheels.build(folder / name, epoch=EPOCH, source=source)
        made[name] = debian.build(debian.Release((own, *needed), EPOCH), folder / name)
    return made


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def host(request: pytest.FixtureRequest, images: Images, packages: dict[str, Path]) -> Iterator[DockerHost]:
    """A Docker host without natfix, on whose disk the packages lie."""
    with wire() as cable, DockerHost("hD", 21, [images(request.param)], cable) as host:
        host.prepare({}, "nft")
        for name, package in packages.items():
            shutil.copyfile(package, host.root / f"root/{name}.deb")
        host.boot()
        yield host


def apt(host: DockerHost, *words: str) -> str:
    return host.output("env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "--yes", "--quiet", *words, seconds=180)


def active(host: DockerHost) -> list[str]:
    listed = host.output("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "natfix*")
    return [line.split()[0] for line in listed.splitlines()]


def listing(host: DockerHost) -> set[str]:
    return set(host.run("sh", "-c", LISTING).stdout.splitlines())


def test_a_life_of_the_package(host: DockerHost) -> None:
    before, rules = listing(host), host.firewall()

    apt(host, "install", "/root/old.deb")
    assert host.firewall() == rules
    assert (active(host), host.run("systemctl", "is-enabled", "natfix-watch.service").stdout) == ([], "disabled\n")
    assert host.output("natfix", "--version") == f"natfix {OLD}\n"
    host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')

    found = host.run("natfix", "check")
    assert (found.returncode, "NAT001" in found.stdout) == (1, True), found
    host.output("natfix", "apply")
    assert host.is_right()
    host.output("systemctl", "enable", "--now", "natfix-watch.service")
    host.restart_docker()
    assert eventually(host.is_right)
    host.output("systemctl", "disable", "--now", "natfix-watch.service")
    host.output("natfix", "install")
    watcher = host.output("systemctl", "show", "--property=MainPID,FragmentPath", "natfix-watch.service")
    assert "FragmentPath=/etc/systemd/system/natfix-watch.service" in watcher

    corrected = host.firewall()
    apt(host, "install", "/root/new.deb")
    assert host.firewall() == corrected
    assert host.output("natfix", "--version") != f"natfix {OLD}\n"
    assert host.output("cat", "/etc/natfix/natfix.toml") == f'cluster-cidr = ["{CLUSTER}"]\n'
    assert host.output("systemctl", "show", "--property=MainPID,FragmentPath", "natfix-watch.service") != watcher
    host.restart_docker()
    assert eventually(host.is_right)
    assert eventually(lambda: host.run("natfix", "status").returncode == 0), host.run("natfix", "status").stdout
    # What the older version did can be taken back by the newer one.
    changes = json.loads(host.output("natfix", "history", "--format=json"))["changes"]
    (first,) = (one for one in changes if one["verb"] == "apply")
    assert first["version"] == OLD
    assert f"+{host.broad}" in host.output("natfix", "undo", first["id"], "--dry-run")

    corrected = host.firewall()
    apt(host, "remove", "natfix")
    assert host.firewall() == corrected
    assert active(host) == []
    assert {path for path in listing(host) - before if "/natfix" in path and not path.startswith("/var/lib/natfix")} == {
        "/etc/natfix",
        "/etc/natfix/natfix.toml",
    }
    assert host.output("ls", "/var/lib/natfix/history") != ""

    apt(host, "purge", "natfix")
    assert host.firewall() == corrected
    assert listing(host) - before - {"/etc/iptables/rules.v4"} == set()
    assert before - listing(host) == set()
    assert host.run("dpkg-query", "--status", "natfix").returncode == 1
