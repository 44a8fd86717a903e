"""natfix apply --confirm: undone in time whatever becomes of the session, unless a new login confirms it."""

import os
import pty
import shlex
import time
from collections.abc import Callable

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import NATFIX, Host, backends, broad, corrected, debian, docker_host, options

pytestmark = pytest.mark.kernel("strace")

each_ipv4_backend = pytest.mark.parametrize("backend", backends(Family.IPV4), ids=str)
NFT4 = Backend(Family.IPV4, "nft")
SOON = "1.5"
# Longer than any test takes, on whatever machine.
LATE = "600"
PATIENCE = 60.0
OLD_LOGIN = {"SSH_CONNECTION": "10.4.7.1 50000 10.4.7.21 22"}
NEW_LOGIN = {"SSH_CONNECTION": "10.4.7.1 50001 10.4.7.21 22"}


def state(host: Host) -> str:
    """The state of the newest change."""
    text: str = host.natfix_json("history")["changes"][-1]["state"]
    return text


def await_rule(host: Host, spec: str) -> None:
    """Wait until POSTROUTING holds this one rule."""
    end = time.monotonic() + PATIENCE
    while host.rules(NFT4) != [f"-A POSTROUTING {spec}"]:
        assert time.monotonic() < end, host.rules(NFT4)
        time.sleep(0.1)


def await_state(host: Host, wanted: str) -> None:
    """Wait until the newest change has come so far."""
    end = time.monotonic() + PATIENCE
    while (found := state(host)) != wanted:
        assert time.monotonic() < end, found
        time.sleep(0.1)


@each_ipv4_backend
def test_unconfirmed_it_is_undone_in_kernel_and_file(host: Host, backend: Backend) -> None:
    debian(host)
    docker_host(host, backend)
    text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {broad(backend)}\nCOMMIT\n"
    path = host.write("/etc/iptables/rules.v4", text.encode())
    said = host.natfix("apply", "--confirm", SOON, *options(backend))
    assert "undone in 1.5 s unless a new login says: natfix confirm" in said
    await_state(host, "rolled back")
    assert host.rules(backend) == [f"-A POSTROUTING {broad(backend)}"]
    assert path.read_text() == text


def test_while_it_waits_the_rules_are_corrected_and_status_says_so(host: Host) -> None:
    docker_host(host, NFT4)
    host.natfix("apply", "--confirm", LATE, *options(NFT4))
    assert host.rules(NFT4) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert state(host) == "waiting"
    assert "waits for: natfix confirm" in host.natfix("status", *options(NFT4), code=1)


def run_out(host: Host) -> None:
    """Do what the watchdog of the oldest change does when the time is over, without waiting for that."""
    oldest = host.natfix_json("history")["changes"][0]["id"]
    assert "nothing to do" in host.natfix("undo", oldest, "--unless-confirmed", "0")


def test_confirmed_from_a_new_login_it_stays(host: Host) -> None:
    docker_host(host, NFT4)
    host.natfix("apply", "--confirm", LATE, *options(NFT4), environment=OLD_LOGIN)
    assert "kept: iptables-nft" in host.natfix("confirm", environment=NEW_LOGIN)
    run_out(host)
    assert host.rules(NFT4) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert state(host) == "done"
    assert "no change waits for a confirmation" in host.natfix("confirm", code=2)


def test_the_login_it_was_made_from_may_not_confirm_unless_it_insists(host: Host) -> None:
    docker_host(host, NFT4)
    host.natfix("apply", "--confirm", LATE, *options(NFT4), environment=OLD_LOGIN)
    said = host.natfix("confirm", code=2, environment=OLD_LOGIN)
    assert "this is the login the change was made from" in said
    assert state(host) == "waiting"
    host.natfix("confirm", "--same-session", environment=OLD_LOGIN)
    assert state(host) == "done"


def test_undone_by_hand_it_is_not_undone_again(host: Host) -> None:
    docker_host(host, NFT4)
    host.natfix("apply", "--confirm", LATE, *options(NFT4))
    host.natfix("undo")
    host.natfix("apply", *options(NFT4))
    run_out(host)
    assert host.rules(NFT4) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert [change["state"] for change in host.natfix_json("history")["changes"]] == ["undone", "done"]


def test_with_nothing_to_do_nothing_waits(host: Host) -> None:
    docker_host(host, NFT4)
    host.natfix("apply", *options(NFT4))
    assert "nothing to do" in host.natfix("apply", "--confirm", SOON, *options(NFT4))
    assert state(host) == "done"


def hang_up(host: Host, shell: str) -> None:
    host.run("kill", "-HUP", "--", f"-{shell}")


def kill(host: Host, shell: str) -> None:
    host.run("kill", "-KILL", "--", f"-{shell}")


@pytest.mark.parametrize("end", [hang_up, kill])
def test_it_outlives_the_shell_it_was_made_from(host: Host, end: Callable[[Host, str], None]) -> None:
    docker_host(host, NFT4)
    natfix = shlex.join([*NATFIX, "apply", "--confirm", "3", *options(NFT4)])
    with host.start("setsid", "sh", "-c", f"{natfix} >/dev/null; echo $$; sleep 60") as shell:
        assert shell.stdout
        end(host, shell.stdout.readline().strip())
        shell.wait(PATIENCE)
    await_state(host, "rolled back")
    assert host.rules(NFT4) == [f"-A POSTROUTING {broad(NFT4)}"]


def test_it_outlives_the_terminal_it_was_made_in(host: Host) -> None:
    docker_host(host, NFT4)
    command = host.words(*NATFIX, "apply", "--confirm", "3", *options(NFT4))
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)  # noqa: S606
    said = b""
    while b"natfix confirm" not in said:
        said += os.read(terminal, 1000)
    os.close(terminal)
    os.waitpid(pid, 0)
    assert b"\x1b[" in said
    await_state(host, "rolled back")
    assert host.rules(NFT4) == [f"-A POSTROUTING {broad(NFT4)}"]


def test_natfix_killed_on_the_way_is_undone_all_the_same(host: Host) -> None:
    docker_host(host, NFT4)
    # The second file that is renamed is the last record: what was to be done is written down first.
    words = ("strace", "-qq", "-o", "/dev/null", "-e", "trace=?rename,?renameat,?renameat2")
    inject = ("-e", "inject=?rename,?renameat,?renameat2:signal=SIGKILL:when=2")
    host.ask(*words, *inject, *NATFIX, "apply", "--confirm", "15", *options(NFT4))
    assert host.rules(NFT4) == [f"-A POSTROUTING {corrected(NFT4)}"]
    assert state(host) == "waiting"
    await_rule(host, broad(NFT4))


def test_the_rules_go_back_although_the_file_cannot_and_the_file_when_it_can(host: Host) -> None:
    debian(host)
    docker_host(host, NFT4)
    host.natfix("apply", "--confirm", "15", *options(NFT4))
    host.run("mount", "--bind", "/etc/iptables", "/etc/iptables")
    host.run("mount", "-o", "remount,ro,bind", "/etc/iptables")
    await_rule(host, broad(NFT4))
    assert state(host) == "waiting"
    host.run("umount", "/etc/iptables")
    await_state(host, "rolled back")
    assert not host.path("/etc/iptables/rules.v4").exists()
