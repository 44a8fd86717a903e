"""The role on a whole machine with a real Docker, by real Ansible over ssh: from nothing to right, and back to nothing."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ansible.control import Control, Run
from tests.machine.conftest import Images
from tests.machine.machines.fleet import control_host, manage
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.wire import wire
from tests.packages.sources import EPOCH
from tools import debian, wheels

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv", "ssh", "ssh-keygen"), pytest.mark.slow]

# What Debian's own Python and apt write when programs are installed is theirs.
LISTING = (
    "find /etc /usr /opt /var/lib /var/cache /run/natfix /run/natfix.lock -not -path '*/__pycache__*'"
    " -not -path '/var/lib/dpkg/*' -not -path '/var/lib/apt/*' -not -path '/var/cache/apt/*' -not -path '/var/lib/docker/*'"
    " -not -path '/var/lib/containerd/*' -not -path '/var/lib/systemd/*' -not -path '/var/cache/ldconfig/*' | sort"
)


@dataclass(frozen=True)
class Place:
    """A control host, a Docker host without natfix, and the files natfix is installed from."""

    control: Control
    host: DockerHost
    package: Path
    wheel: Path

    def play(self, *words: str, **variables: object) -> Run:
        """Run the role with these variables."""
        book = [{"name": "natfix", "hosts": "all", "become": True, "gather_facts": False, "roles": ["natfix.natfix.natfix"]}]
        path = self.control.playbook(json.dumps(book))
        return self.control.play(path, *words, "-e", json.dumps({"natfix_cluster_cidr": [CLUSTER], **variables}))

    def listing(self) -> set[str]:
        return set(self.host.run("sh", "-c", LISTING).stdout.splitlines())

    def guarded(self) -> bool:
        return self.host.run("natfix", "guard", "status").returncode == 0


@pytest.fixture(scope="module")
def place(images: Images, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("role")
    carried = folder / "wheels"
    carried.mkdir()
    own = wheels.build(carried, epoch=EPOCH)
    needed = wheels.fetch(carried)
    package = debian.build(debian.Release((own, *needed), EPOCH), folder)
    with ExitStack() as stack:
        cable = stack.enter_context(wire())
        control = stack.enter_context(control_host(cable))
        host = stack.enter_context(DockerHost("h21", 21, [images("trixie")], cable))
        host.prepare({}, "nft")
        shutil.copytree(carried, host.root / "srv/wheels")
        manage(control, [host])
        host.boot()
        yield Place(control, host, package, own)


def test_a_life_of_the_role_from_a_debian_package(place: Place) -> None:
    host, before, deb = place.host, place.listing(), str(place.package)
    wanted = {"natfix_package": deb, "natfix_guard": True, "natfix_confirm": 120}
    would = place.play("--check", "--diff", **wanted)
    assert (would.code, would.changed, place.listing()) == (0, ["h21"], before), would.output

    first = place.play("--diff", **wanted)
    assert first.code == 0, first.output
    assert place.host.is_right()
    assert place.guarded()
    assert host.output("systemctl", "is-active", "natfix-watch.service") == "active\n"
    assert f'\ncluster-cidr = ["{CLUSTER}"]\n' in host.output("cat", "/etc/natfix/natfix.toml")
    applied = next(one.result for one in first.told if "corrected" in one.result)
    assert (applied["changed"], applied["confirmed"]) == (True, True)

    second = place.play("--diff", **wanted)
    assert (second.code, second.changed) == (0, []), second.output
    host.restart_docker()
    assert eventually(place.host.is_right)

    # What natfix would not accept is not put in place; and what would change is shown, by natfix itself.
    refused = place.play(**wanted, natfix_suppress=[{"id": "NAT006", "reason": "none", "until": "soon"}])
    assert (refused.code, refused.failed) == (2, ["h21"])
    assert "soon" not in host.output("cat", "/etc/natfix/natfix.toml")
    other = place.play("--check", "--diff", **wanted, natfix_mode=["path"])
    (units,) = (one.result for one in other.told if "places" in one.result)
    assert "/etc/systemd/system/natfix-reapply.path" in units["places"]
    assert "+++ /etc/systemd/system/natfix-reapply.path" in other.output
    assert host.output("systemctl", "is-active", "natfix-watch.service") == "active\n"

    gone = place.play(natfix_state="absent", natfix_undo=True)
    assert gone.code == 0, gone.output
    assert place.listing() - before == set()
    assert before - place.listing() == set()
    assert (host.broad in host.postrouting(), host.run("nft", "list", "table", "ip", "natfix").returncode) == (True, 1)
    again = place.play(natfix_state="absent", natfix_undo=True)
    assert (again.code, again.changed) == (0, []), again.output


def test_a_life_of_the_role_from_a_wheel(place: Place) -> None:
    host, before = place.host, place.listing()
    pip = {"natfix_package": str(place.wheel), "natfix_pip_arguments": "--no-index --find-links /srv/wheels"}
    suppressed = [{"id": "NAT006", "reason": 'the "office"', "until": "2999-12-31", "chain": "POSTROUTING"}]
    wanted = {**pip, "natfix_mode": ["drop_in"], "natfix_suppress": suppressed, "natfix_watch_interval": 30}
    first = place.play(**wanted)
    assert first.code == 0, first.output
    assert "suppressed NAT006" in host.output("natfix", "settings")
    assert host.output("readlink", "/usr/local/sbin/natfix") == "/opt/natfix/bin/natfix\n"
    host.restart_docker()
    # The drop-in corrects before systemctl returns.
    assert place.host.is_right()
    second = place.play("--check", **wanted)
    assert (second.code, second.changed) == (0, []), second.output

    gone = place.play(natfix_state="absent")
    assert gone.code == 0, gone.output
    # Corrected rules stay, in the file too.
    assert place.host.is_right()
    assert place.listing() - before == {"/etc/iptables/rules.v4"}
