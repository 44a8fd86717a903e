"""The collection on a fleet of whole machines, by real Ansible over ssh: two hosts are right, one is wrong."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.ansible.control import Control, lines_of
from tests.machine.conftest import Images
from tests.machine.machines.fleet import control_host, manage, ssh
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.wire import wire

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv", "ssh", "ssh-keygen"), pytest.mark.slow]

SETTINGS = f'cluster-cidr = ["{CLUSTER}"]\n'
# What nothing may change but apply: rules of both families, without counters, and the files loaded at boot.
STATE = "for t in iptables ip6tables; do $t-save | grep -v '^#' | sed 's/ \\[[0-9:]*\\]//'; done; cat /etc/iptables/* || true"
AT_ONCE = ("-e", "natfix_serial=100% natfix_max_fail_percentage=100")
# PAM lets nobody in while the rule is corrected, as a correction would that cuts off its own host.
GATE = "#!/bin/sh\n! iptables -t nat -S POSTROUTING | grep -q -- '! -d '\n"
GATED = "account required pam_exec.so quiet /usr/local/sbin/gate\n"


@dataclass(frozen=True)
class Fleet:
    """A control host and what it manages.

    Attributes:
        control: the control host.
        right: two hosts that are right.
        wrong: one that is not, after each ``spoil``.
        bare: one without iptables.
    """

    control: Control
    right: tuple[DockerHost, DockerHost]
    wrong: DockerHost
    bare: DockerHost

    @property
    def three(self) -> tuple[DockerHost, ...]:
        return (*self.right, self.wrong)

    def states(self) -> list[str]:
        return [host.output("sh", "-c", STATE) for host in self.three]

    def manage(self, **more: str) -> None:
        """Let the inventory hold the three, and *more*."""
        manage(self.control, self.three, more)

    def spoil(self) -> None:
        """Let the wrong host be wrong."""
        if self.wrong.broad not in self.wrong.postrouting():
            self.wrong.output("natfix", "undo")
        assert self.wrong.broad in self.wrong.postrouting()


@pytest.fixture(scope="module")
def fleet(images: Images, natfix_layer: Path) -> Iterator[Fleet]:
    layers = [natfix_layer, images("trixie")]
    with ExitStack() as stack:
        cable = stack.enter_context(wire())
        control = stack.enter_context(control_host(cable))
        hosts = [stack.enter_context(DockerHost(f"h{number}", number, layers, cable)) for number in (21, 22, 23, 24)]
        manage(control, hosts)
        for host in hosts:
            host.prepare({}, "nft")
            host.put("/etc/natfix/natfix.toml", SETTINGS)
        bare = hosts[-1]
        for program in (bare.root / "usr/sbin").glob("*tables*"):
            program.unlink()
        (bare.root / "etc/systemd/system/docker.service").symlink_to("/dev/null")
        for host in hosts:
            host.start()
        for host in hosts:
            host.wait()
        for host in hosts[:2]:
            host.output("natfix", "apply")
        yield Fleet(control, (hosts[0], hosts[1]), hosts[2], bare)


def test_check_tells_what_is_wrong_where_and_changes_nothing(fleet: Fleet) -> None:
    fleet.manage()
    fleet.spoil()
    before = fleet.states()
    run = fleet.control.ask_all("all", "natfix.natfix.check")
    told = [run.last(host.name).result for host in fleet.three]
    assert [one["right"] for one in told] == [True, True, False]
    (found,) = (one for one in told[2]["findings"] if one["severity"] != "info")
    assert (found["id"], found["rule"]["text"]) == ("NAT001", fleet.wrong.broad)
    facts = [one["ansible_facts"]["natfix"] for one in told]
    assert [("NAT001" in one["ids"], one["summary"].get("high", 0), one["right"]) for one in facts] == [
        (False, 0, True),
        (False, 0, True),
        (True, 1, False),
    ]
    assert (facts[0]["version"], facts[0]["clusters"], facts[0]["subnets"]) == (
        told[0]["version"],
        [CLUSTER],
        ["172.7.21.0/24"],
    )
    strict = fleet.control.ask_all("all", "natfix.natfix.check", fail_on="low")
    assert strict.failed == [fleet.wrong.name]
    assert strict.last(fleet.wrong.name).result["reason"] == "found"
    assert fleet.wrong.broad in strict.last(fleet.wrong.name).result["msg"]
    assert fleet.states() == before


def test_check_mode_changes_none_and_shows_exactly_what_would(fleet: Fleet) -> None:
    fleet.manage()
    fleet.spoil()
    before = fleet.states()
    promised = json.loads(fleet.wrong.run("natfix", "diff", "--format=json").stdout)["changes"]
    run = fleet.control.play("natfix.natfix.fix", *AT_ONCE, "--check", "--diff")
    assert (run.code, run.changed) == (0, [fleet.wrong.name])
    assert fleet.states() == before
    (told,) = (one for one in run.of(fleet.wrong.name) if "corrected" in one.result)
    assert [one["prepared"] for one in told.result["diff"]] == list(lines_of(promised))
    assert [one["place"] for one in told.result["corrected"]] == ["iptables-nft", "/etc/iptables/rules.v4"]
    assert f"-{fleet.wrong.broad}\n+{fleet.wrong.narrow}\n" in run.output


def test_the_first_run_changes_one_and_the_second_none(fleet: Fleet) -> None:
    fleet.manage()
    fleet.spoil()
    before = fleet.states()
    first = fleet.control.play("natfix.natfix.fix", *AT_ONCE, "--diff")
    assert (first.code, first.changed) == (0, [fleet.wrong.name])
    (told,) = (one.result for one in first.of(fleet.wrong.name) if "corrected" in one.result)
    assert (told["confirmed"], told["corrected"][0]["added"]) == (True, [fleet.wrong.narrow])
    newest = json.loads(fleet.wrong.output("natfix", "history", "--format=json"))["changes"][-1]
    assert (newest["id"], newest["state"]) == (told["id"], "done")
    after = fleet.states()
    assert (after[:2], fleet.wrong.narrow in after[2]) == (before[:2], True)

    # The same without pipelining, where modules are files that are copied to the host first.
    second = fleet.control.but(ANSIBLE_PIPELINING="false").play("natfix.natfix.fix", *AT_ONCE, "--diff")
    assert (second.code, second.changed) == (0, [])
    assert fleet.states() == after

    undone = fleet.control.ask(fleet.wrong.name, "natfix.natfix.undo", id=told["id"])
    assert (undone.result["changed"], undone.result["undone"]) == (True, [told["id"]])
    assert fleet.states() == before
    assert not fleet.control.ask(fleet.wrong.name, "natfix.natfix.undo", id=told["id"]).result["changed"]


def test_one_unreachable_and_one_without_iptables_are_told_and_the_others_are_served(fleet: Fleet) -> None:
    fleet.manage(**{fleet.bare.name: fleet.bare.address, "gone": "10.4.7.99"})
    fleet.spoil()
    run = fleet.control.play("natfix.natfix.fix", *AT_ONCE)
    assert (run.failed, run.changed) == (["gone", fleet.bare.name], [fleet.wrong.name])
    assert (run.last("gone").outcome, "10.4.7.99" in run.last("gone").result["msg"]) == ("unreachable", True)
    bare = run.last(fleet.bare.name)
    assert (bare.outcome, bare.result["reason"]) == ("failed", "refused")
    assert "iptables" in bare.result["msg"]
    assert fleet.wrong.narrow in fleet.wrong.postrouting()


def test_a_fleet_is_left_alone_when_its_first_host_fails(fleet: Fleet) -> None:
    fleet.spoil()
    manage(fleet.control, [fleet.bare, *fleet.three])
    run = fleet.control.play("natfix.natfix.fix")
    assert (run.failed, run.changed) == ([fleet.bare.name], [])
    assert {one.host for one in run.told} == {fleet.bare.name}


def test_a_correction_after_which_nobody_can_log_in_is_taken_back_by_the_host(fleet: Fleet) -> None:
    fleet.manage()
    fleet.spoil()
    before = fleet.states()
    pam = fleet.wrong.output("cat", "/etc/pam.d/sshd")
    fleet.wrong.put("/usr/local/sbin/gate", GATE, 0o755)
    fleet.wrong.put("/etc/pam.d/sshd", GATED + pam)
    try:
        told = fleet.control.but(ANSIBLE_PIPELINING="false").ask(fleet.wrong.name, "natfix.natfix.apply", confirm=20)
    finally:
        fleet.wrong.put("/etc/pam.d/sshd", pam)
        # It remembers whose logins failed, and would not let them in for a while.
        fleet.wrong.output("systemctl", "restart", "ssh.service")
    assert (told.outcome, told.result["reason"]) == ("failed", "unconfirmed"), told
    assert (told.result["confirmed"], told.result["rolled_back"], told.result["changed"]) == (False, True, False)
    assert "no new login could be had" in told.result["msg"]
    assert "the host has taken the change back" in told.result["msg"]
    assert fleet.states() == before
    newest = json.loads(fleet.wrong.output("natfix", "history", "--format=json"))["changes"][-1]
    assert (newest["id"], newest["state"]) == (told.result["id"], "rolled back")


def test_a_session_through_an_old_connection_is_no_new_login(fleet: Fleet) -> None:
    fleet.spoil()
    shared = ("-o", f"ControlPath={fleet.control.folder}/shared")
    assert ssh(fleet.control, fleet.wrong, "natfix", "apply", "--confirm=600", options=shared).returncode == 0
    refused = ssh(fleet.control, fleet.wrong, "natfix", "confirm", options=shared)
    assert (refused.returncode, "this is the login the change was made from" in refused.stderr) == (2, True), refused

    # Who runs Ansible meanwhile is told, as what holds may be taken back at any moment.
    waiting = fleet.control.ask(fleet.wrong.name, "natfix.natfix.apply")
    assert (waiting.outcome, waiting.result["reason"]) == ("failed", "waiting")
    assert ssh(fleet.control, fleet.wrong, "natfix", "confirm", options=("-o", "ControlPath=none")).returncode == 0


def test_everything_is_collected_and_judged_at_the_desk(fleet: Fleet) -> None:
    fleet.manage()
    fleet.spoil()
    before = fleet.states()
    desk = f"natfix_folder={fleet.control.folder}/collected natfix_desk={Path(sys.executable).parent}/natfix"
    run = fleet.control.play("natfix.natfix.collect", "-e", desk)
    assert (run.code, run.changed) == (0, []), run.output
    folder = fleet.control.folder / "collected"
    names = [f"{host.name}.natfix" for host in fleet.three]
    assert sorted(path.name for path in folder.iterdir()) == [*names, "report.html", "report.sarif"]
    sarif = json.loads((folder / "report.sarif").read_text(encoding="utf-8"))
    found = [result["ruleId"] for result in sarif["runs"][0]["results"] if result["level"] != "note"]
    assert found == ["NAT001"]
    assert "1 high" in run.output
    assert fleet.states() == before
    assert fleet.wrong.output("sh", "-c", "ls /tmp | grep natfix || true") == ""
