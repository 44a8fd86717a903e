"""The RPM, from installation to removal, on a machine that is as much of RHEL's kind as Debian's parts can make it."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from natfix import __version__
from tests.machine.conftest import Images
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.redhat import CONFIG, SAVED, SCRIPT, parts, redden, rpm
from tests.machine.machines.wire import wire
from tests.packages.sources import EPOCH
from tools import release, version, wheels
from tools import rpm as packaging

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv", "rpm", "rpmbuild"), pytest.mark.slow]

OLD = "0.0.9"
DUMP = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\nCOMMIT\n"
LISTING = "find /etc /usr /opt /var/lib/natfix /run/natfix /run/natfix.lock -not -path '*/dist-packages/*' | sort"
# Python writes bytecode of its own modules when they are first used.
BYTECODE = re.compile(r"^/usr/lib/python3")
# Of iptables-services, not of natfix.
MADE_BY_TEST = {SAVED, f"{SAVED}.save", "/etc/systemd/system/multi-user.target.wants/iptables.service"}
STAYS = {"/etc/natfix", "/etc/natfix/natfix.toml.rpmsave"}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package of this working tree, one that says it is an older version, and what the machine has for both."""
    folder = tmp_path_factory.mktemp("rpm")
    carried = folder / "wheels"
    carried.mkdir()
    needed = wheels.fetch(carried)
    older = release.copy_tree(folder / "older")
    version.change(older, OLD)
    made = {}
    for name, source in (("old", older), ("new", release.ROOT)):
        own = wheels.build(folder / name, epoch=EPOCH, source=source)
        (sdist,) = (folder / name).glob("natfix-*.tar.gz")
        made[name], _ = packaging.build(sdist, (own, *needed), folder / name, EPOCH)
    return {**made, "parts": parts(folder)}


@pytest.fixture(scope="module")
def host(images: Images, packages: dict[str, Path]) -> Iterator[DockerHost]:
    """A Docker host without natfix, on whose disk the packages lie; bookworm's Python is the 3.11 that the package asks for."""
    with wire() as cable, DockerHost("hR", 21, [images("bookworm")], cable) as host:
        host.prepare({}, "nft")
        redden(host)
        for name, package in packages.items():
            shutil.copyfile(package, host.root / f"root/{name}.rpm")
        host.boot()
        yield host


def active(host: DockerHost) -> list[str]:
    listed = host.output("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "natfix*")
    return [line.split()[0] for line in listed.splitlines()]


def listing(host: DockerHost) -> set[str]:
    return {path for path in host.run("sh", "-c", LISTING).stdout.splitlines() if not BYTECODE.match(path)}


def watcher(host: DockerHost, name: str) -> str:
    return host.output("systemctl", "show", f"--property={name}", "--value", "natfix-watch.service").strip()


def test_a_life_of_the_package(host: DockerHost) -> None:
    before = listing(host)
    is_installed(host)
    keeps_what_is_loaded_at_boot(host)
    watches(host)
    is_upgraded(host)
    is_removed(host, before)


def is_installed(host: DockerHost) -> None:
    """Nothing happens by that, also where a distribution's presets enable all there is, as Debian's do."""
    rules = host.firewall()
    with pytest.raises(AssertionError, match=r"python3\.11 is needed by natfix") as refused:
        rpm(host, "--install", "--force-debian", "/root/old.rpm")
    assert "(iptables-nft or iptables) is needed by natfix" in str(refused.value)
    rpm(host, "--install", "--force-debian", "/root/parts.rpm")
    assert rpm(host, "--install", "--force-debian", "/root/old.rpm") == ""
    assert host.firewall() == rules
    assert active(host) == []
    assert host.run("systemctl", "list-unit-files", "--no-legend", "--state=enabled", "natfix-*").stdout == ""
    assert host.output("natfix", "--version") == f"natfix {OLD}\n"
    assert host.output("find", "/usr/lib/natfix", "-path", "*natfix/cli/__pycache__/start.*.pyc") != ""
    assert rpm(host, "--verify", "natfix") == ""
    host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
    found = host.run("natfix", "check", "-", data=DUMP)
    assert (found.returncode, "NAT001" in found.stdout) == (1, True), found


def keeps_what_is_loaded_at_boot(host: DockerHost) -> None:
    """The file of iptables-services is corrected with the kernel, and a restart of the service loads it so."""
    host.output(SCRIPT, "save")
    host.output("systemctl", "enable", "--now", "iptables.service")
    assert host.broad in host.output("cat", SAVED)
    applied = host.output("natfix", "apply")
    assert f"corrected: iptables-nft, {SAVED}" in applied
    assert host.is_right()
    for setting in ("no", "yes"):
        host.put(CONFIG, f'IPTABLES_SAVE_ON_STOP="{setting}"\n')
        host.output("systemctl", "restart", "iptables.service")
        assert host.is_right()
        saved = host.output("cat", SAVED)
        assert (host.broad in saved, host.narrow in saved) == (False, True)
    assert host.run("natfix", "status").returncode == 0


def watches(host: DockerHost) -> None:
    """The watcher is a service of Type=notify without python3-systemd."""
    assert host.run("/usr/bin/python3.11", "-c", "import systemd").returncode == 1
    host.output("systemctl", "enable", "--now", "natfix-watch.service")
    assert "findings left" in watcher(host, "StatusText")
    assert '"event": "started"' in host.journal("--unit=natfix-watch.service")
    host.restart_docker()
    assert eventually(host.is_right)


def is_upgraded(host: DockerHost) -> None:
    """The correction stays, settings stay, and the watcher goes on with the new version."""
    corrected, pid = host.firewall(), watcher(host, "MainPID")
    assert rpm(host, "--upgrade", "--force-debian", "/root/new.rpm") == ""
    assert host.firewall() == corrected
    assert rpm(host, "--query", "natfix") == f"natfix-{__version__}-1.noarch\n"
    assert host.output("natfix", "--version") == f"natfix {__version__}\n"
    assert host.output("cat", "/etc/natfix/natfix.toml") == f'cluster-cidr = ["{CLUSTER}"]\n'
    assert (watcher(host, "ActiveState"), watcher(host, "MainPID") != pid) == ("active", True)
    host.restart_docker()
    assert eventually(host.is_right)
    # What the older version did can be taken back by the newer one.
    changes = json.loads(host.output("natfix", "history", "--format=json"))["changes"]
    (first,) = (one for one in changes if one["verb"] == "apply")
    assert first["version"] == OLD
    assert f"+{host.broad}" in host.output("natfix", "undo", first["id"], "--dry-run")


def is_removed(host: DockerHost, before: set[str]) -> None:
    """What `natfix install` put in place goes with it; rules, the owner's settings and the history stay."""
    host.output("natfix", "install")
    corrected = host.firewall()
    told = rpm(host, "--erase", "natfix")
    assert "warning: /etc/natfix/natfix.toml saved as /etc/natfix/natfix.toml.rpmsave\n" in told
    assert host.firewall() == corrected
    assert active(host) == []
    left = listing(host) - before - MADE_BY_TEST
    assert {path for path in left if not path.startswith("/var/lib/natfix")} == STAYS
    assert host.output("ls", "/var/lib/natfix/history") != ""
    assert before - listing(host) == set()
    assert rpm(host, "--query", "--all") == "parts-of-debian-1-1.noarch\n"
