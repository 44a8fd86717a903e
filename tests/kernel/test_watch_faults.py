"""A watcher on a host that is in trouble itself: disks that are full to the last byte, a journal that is stuck."""

import socket
from contextlib import suppress
from functools import partial

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import Host, backends, broad, corrected, docker_host, options
from tests.kernel.watching import put_back, until, watching

pytestmark = pytest.mark.kernel

NFT, LEGACY = backends(Family.IPV4)
FULL = ("/run", "/var/lib/natfix", "/var/lib/metrics")
# Standard output leads to the journal where systemd says so; here it is a pipe of which the same is said.
AS_UNIT = ("sh", "-c", 'JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/1) exec "$@"', "unit")


def is_right(on: Host, backend: Backend) -> bool:
    return on.rules(backend) == [f"-A POSTROUTING {corrected(backend)}"]


def fill(on: Host, folder: str) -> None:
    """Leave not a byte on a disk."""
    on.run("mount", "-o", "remount,size=512k,nr_inodes=100", folder)
    assert on.ask("dd", "if=/dev/zero", f"of={folder}/filler", "bs=4k").code == 1
    assert on.ask("sh", "-c", f"echo x > {folder}/x").code != 0


@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_full_disks_keep_no_rule_wrong_and_what_they_lack_follows(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    host.load(backend, "-F POSTROUTING")
    for folder in FULL[1:]:
        host.path(folder).mkdir()
        host.run("mount", "-t", "tmpfs", "none", folder)
    host.path("/run/xtables.lock").touch()
    metrics = ("--metrics-textfile", "/var/lib/metrics/natfix.prom")
    with watching(host, *options(backend), "--no-persist", "--interval", "1", *metrics) as watcher:
        for folder in FULL:
            fill(host, folder)
        for number in range(3):
            put_back(host, backend, broad(backend))
            until(partial(is_right, host, backend))
            until(lambda number=number: len(watcher.told("corrected")) == number + 1)  # type: ignore[misc]
        messages = [entry["message"] for entry in watcher.told("refused")]
        assert len(messages) == len(set(messages)) <= 4, "each is told once"
        assert any("natfix undo does not know of it yet" in message for message in messages)
        assert host.natfix_json("history")["changes"] == []
        for folder in FULL:
            host.path(f"{folder}/filler").unlink()
        until(lambda: len(host.natfix_json("history")["changes"]) == 1)
        until(lambda: watcher.state["corrections"] == 3)
        host.natfix("undo")
        assert host.rules(backend) == [f"-A POSTROUTING {broad(backend)}"]


def test_a_journal_that_is_stuck_keeps_no_rule_wrong_and_hears_how_much_it_missed(host: Host) -> None:
    docker_host(host, NFT)
    path = host.path("/run/systemd/journal/socket")
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        with watching(host, *options(NFT), "--no-persist", through=AS_UNIT) as watcher:
            # A socket that nobody reads takes ten entries or so: net.unix.max_dgram_qlen. More than 25 would be a fight.
            for number in range(18):
                put_back(host, NFT, broad(NFT))
                until(partial(is_right, host, NFT))
                assert watcher.entries == [], number
            until(lambda: watcher.state["corrections"] == 19)
            heard = []
            with suppress(BlockingIOError):
                while True:
                    heard.append(journal.recv(65536, socket.MSG_DONTWAIT))
            assert b"NATFIX_EVENT=started" in heard[0]
            assert 0 < len(heard) < 20
            journal.settimeout(60)
            put_back(host, NFT, broad(NFT))
            assert f"NATFIX_UNTOLD={20 - len(heard)}\n".encode() in journal.recv(65536)
