"""What natfix hears of a host: nft's commits, the xtables lock, hints, signals; and what, when it listens too slowly."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from natfix.app.watch_ports import Event
from natfix.host.watch.events import HostEvents, SignalListener
from natfix.host.watch.file_events import FileListener
from natfix.host.watch.nft_events import NftListener
from natfix.host.watch.writers import lock_holder, writer
from tests.netns import command

pytestmark = pytest.mark.kernel

RULE = ("-t", "nat", "-A", "POSTROUTING", "-j", "MASQUERADE")


def heard(listener: NftListener | FileListener | SignalListener) -> list[Event]:
    return list(listener.read())


def test_each_commit_of_nft_is_one_event_with_its_generation_pid_and_command(netns: str) -> None:
    listener = NftListener()
    start = time.monotonic()
    command("iptables-nft", *RULE)
    command("iptables-nft", *RULE)
    first, second = heard(listener)
    assert (first.reason, first.variant, second.generation) == ("commit", "nft", first.generation + 1)
    assert first.at >= start
    assert first.writer is not None
    assert first.writer.command == "iptables-nft"
    assert heard(listener) == []
    listener.close()


def test_looking_at_nft_is_no_event(netns: str) -> None:
    command("iptables-nft", *RULE)
    listener = NftListener()
    command("iptables-nft", "-t", "nat", "-S", "POSTROUTING", "-v")
    command("nft", "list", "ruleset")
    assert heard(listener) == []
    listener.close()


def test_a_large_restore_is_one_event_in_the_usual_buffer(netns: str) -> None:
    listener = NftListener()
    lines = [f"-A POSTROUTING -s 10.{number // 250}.{number % 250}.0/24 -j MASQUERADE" for number in range(5000)]
    command("iptables-nft-restore", data="\n".join(["*nat", *lines, "COMMIT", ""]))
    assert [event.reason for event in heard(listener)] == ["commit"]
    listener.close()


def test_a_listener_that_is_too_slow_is_told_that_it_lost_something(netns: str) -> None:
    listener = NftListener(buffer=1)
    for _ in range(40):
        command("iptables-nft", *RULE)
    reasons = [event.reason for event in heard(listener)]
    assert "overrun" in reasons
    assert len(reasons) < 40
    command("iptables-nft", *RULE)
    assert [event.reason for event in heard(listener)] == ["commit"]
    listener.close()


def test_ones_own_commits_are_not_told(netns: str) -> None:
    own: set[int] = set()
    listener = NftListener(own)
    process = subprocess.Popen(["iptables-nft", *RULE])
    own.add(process.pid)
    assert process.wait() == 0
    assert heard(listener) == []
    listener.close()


def test_who_wrote_is_seen_with_what_started_it_while_it_lives() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 60; true", "the-agent"], start_new_session=True) as agent:
        try:
            child = wait_for_child(agent.pid, "sleep 60")
            found = writer(child, "sleep")
            assert (found.command, found.arguments, found.parent) == ("sleep", "sleep 60", agent.pid)
            assert found.origin == "sh -c sleep 60; true the-agent"
            assert str(found) == f"sleep (pid {child}), started by sh -c sleep 60; true the-agent (pid {agent.pid})"
            assert writer(child, "iptables").arguments == "", "a process of another name has only the same number"
        finally:
            os.killpg(agent.pid, signal.SIGKILL)
    # Its parent is gone, and nobody here can wait for it.
    end = time.monotonic() + 30
    while writer(child, "sleep").arguments:
        assert time.monotonic() < end, "it lives although it was killed"
        time.sleep(0.01)


def wait_for_child(pid: int, words: str) -> int:
    """Wait until a process has a child that runs *words*: between fork and exec it still bears its parent's name."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for child in path.read_text().split():
            if Path(f"/proc/{child}/cmdline").read_text().split("\0")[:-1] == words.split():
                return int(child)
        time.sleep(0.01)
    raise AssertionError(f"{pid} started no {words}")


def test_who_holds_the_lock_is_seen(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    assert lock_holder(str(lock)) is None
    with subprocess.Popen(
        ["flock", str(lock), "sh", "-c", "echo held; sleep 60"], stdout=subprocess.PIPE, process_group=0
    ) as holder:
        assert holder.stdout
        holder.stdout.readline()
        assert lock_holder(str(lock)) == holder.pid
        os.killpg(holder.pid, signal.SIGKILL)


def test_the_lock_that_is_let_go_is_an_event_and_the_looking_of_legacy_save_is_none(netns: str) -> None:
    Path("/run/xtables.lock").touch()
    listener = FileListener(hints={})
    command("iptables-legacy", "-w", *RULE)
    # Other tests of this machine may take the same lock.
    assert {(event.reason, event.variant) for event in heard(listener)} == {("lock", "legacy")}
    listener.close()


def test_a_lock_that_comes_goes_and_comes_again_is_heard_of(tmp_path: Path) -> None:
    lock = tmp_path / "xtables.lock"
    listener = FileListener(str(lock), hints={})
    for _ in range(2):
        lock.touch()
        assert [event.reason for event in heard(listener)] != []
        subprocess.run(["flock", str(lock), "true"], check=True)
        assert [event.reason for event in heard(listener)] == ["lock"]
        lock.unlink()
        assert heard(listener) == []
    listener.close()


def test_files_that_go_with_rules_are_hints_also_in_folders_that_come_later(tmp_path: Path) -> None:
    flannel = tmp_path / "flannel"
    hints = {str(tmp_path): ("docker.pid",), str(flannel): ("subnet.env",)}
    listener = FileListener(str(tmp_path / "xtables.lock"), hints)
    (tmp_path / "docker.pid").touch()
    (tmp_path / "something-else").touch()
    assert [event.detail for event in heard(listener)] == [str(tmp_path / "docker.pid")]
    flannel.mkdir()
    assert [event.detail for event in heard(listener)] == [str(flannel)]
    (flannel / "subnet.env").write_text("FLANNEL_NETWORK=172.7.0.0/16\n")
    assert {event.detail for event in heard(listener)} == {str(flannel / "subnet.env")}
    listener.close()


def test_signals_wake_the_selector_and_are_told_in_order() -> None:
    listener = SignalListener()
    events = HostEvents([listener])
    try:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        assert [event.reason for event in events.wait(10)] == ["reload", "stop"]
        assert events.drain() == []
    finally:
        events.close()
        listener.close()


def test_waiting_ends_when_the_time_is_over(netns: str) -> None:
    listener = NftListener()
    events = HostEvents([listener])
    start = time.monotonic()
    assert events.wait(0.2) == []
    assert time.monotonic() - start >= 0.19
    events.close()
    listener.close()
