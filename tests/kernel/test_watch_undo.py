"""A running watcher, and a person who undoes: on real kernels, with `natfix undo`, `restore` and `apply` as programs."""

from functools import partial

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel.hosts import Host, backends, bridge, broad, corrected, debian, docker_host, options
from tests.kernel.watching import put_back, until, watching

pytestmark = pytest.mark.kernel

NFT, LEGACY = backends(Family.IPV4)
SOON = "1.5"


def rules(on: Host, backend: Backend) -> list[str]:
    return [rule.removeprefix("-A POSTROUTING ") for rule in on.rules(backend)]


def states(on: Host) -> list[str]:
    return [change["state"] for change in on.natfix_json("history")["changes"]]


@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_what_is_undone_stays_undone_until_somebody_applies_again(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    with watching(host, *options(backend), "--no-persist") as watcher:
        assert rules(host, backend) == [corrected(backend)]
        assert "natfix watch and natfix restore, which units call, leave alone what is undone" in host.natfix("undo")
        until(lambda: watcher.told("left"))
        # Docker is started once more, and makes a network beside.
        put_back(host, backend, broad(backend))
        put_back(host, backend, broad(backend, "br-1"))
        until(lambda: len(watcher.told("corrected")) == 2)
        assert rules(host, backend) == [corrected(backend, "br-1"), broad(backend), broad(backend)]
        (entry,) = watcher.told("left")
        assert (entry["level"], entry["rule"]) == ("warning", f"-A POSTROUTING {broad(backend)}")
        said = host.natfix("status", *options(backend), code=1)
        assert f"was undone: {backend}: -A POSTROUTING {broad(backend)}" in said
        assert "neither natfix watch nor natfix restore corrects that again" in said
    with watching(host, *options(backend), "--no-persist") as watcher:
        until(lambda: watcher.told("left"))
        assert "left alone, for " in host.natfix("restore", *options(backend))
        assert rules(host, backend)[1:] == [broad(backend), broad(backend)]
        assert "no longer leave alone what was undone" in host.natfix("apply", "--no-persist", *options(backend))
        put_back(host, backend, broad(backend))
        until(lambda: rules(host, backend) == [corrected(backend, "br-1"), corrected(backend)])
        until(lambda: watcher.told("resumed"))


@pytest.mark.parametrize("backend", [NFT, LEGACY], ids=str)
def test_no_undo_is_too_quick_for_the_watcher(host: Host, backend: Backend) -> None:
    docker_host(host, backend)
    with watching(host, *options(backend), "--no-persist") as watcher:
        change = host.natfix_json("history")["changes"][0]["id"]
        for number in range(3):
            host.natfix("undo", change)
            assert broad(backend) in rules(host, backend)
            # Whatever it wants to do about that, it has done when it has corrected what came after.
            put_back(host, backend, broad(backend, f"br-{number}"))
            until(partial(holds, host, backend, corrected(backend, f"br-{number}")))
            assert broad(backend) in rules(host, backend)
            change = host.natfix_json("apply", "--no-persist", *options(backend))["id"]
            assert broad(backend) not in rules(host, backend)
        until(lambda: len(watcher.told("corrected")) == 4)
        assert watcher.told("refused") == []


def holds(on: Host, backend: Backend, rule: str) -> bool:
    return rule in rules(on, backend)


def test_an_unconfirmed_change_that_is_taken_back_is_not_made_again(host: Host) -> None:
    debian(host)
    bridge(host, "docker0", "172.7.21.1/24")
    with watching(host, *options(NFT)) as watcher:
        put_back(host, NFT, broad(NFT))
        until(lambda: watcher.told("saved"))
        host.natfix("undo")
        host.natfix("undo")
        until(lambda: rules(host, NFT) == [broad(NFT)])
        assert "corrected: " in host.natfix("apply", "--confirm", SOON, *options(NFT))
        until(lambda: states(host)[-1] == "rolled back")
        until(lambda: len(watcher.told("left")) >= 2)
        put_back(host, NFT, broad(NFT))
        # Whatever it does, it has done when it has looked at what came after.
        put_back(host, NFT, broad(NFT, "br-1"))
        until(lambda: corrected(NFT, "br-1") in rules(host, NFT))
        assert rules(host, NFT) == [corrected(NFT, "br-1"), broad(NFT), broad(NFT)]
        assert not host.path("/etc/iptables/rules.v4").exists()
        host.natfix("apply", *options(NFT))
        put_back(host, NFT, broad(NFT))
        until(lambda: rules(host, NFT) == [corrected(NFT, "br-1"), corrected(NFT)])


def test_of_the_oneshots_none_corrects_what_was_undone(host: Host) -> None:
    debian(host)
    docker_host(host, NFT)
    host.natfix("restore", *options(NFT))
    saved = host.path("/etc/iptables/rules.v4").read_text()
    assert corrected(NFT) in saved
    host.natfix("undo")
    # At boot, after a start of Docker, after a ruleset was restored: it is always this that units call.
    for _ in range(2):
        said = host.natfix("restore", *options(NFT))
        assert f"left alone, for {host.natfix_json('history')['changes'][0]['id']} was undone: {NFT}" in said
        assert rules(host, NFT) == [broad(NFT)]
        assert not host.path("/etc/iptables/rules.v4").exists()
    host.natfix("apply", *options(NFT))
    assert host.path("/etc/iptables/rules.v4").read_text() == saved


def test_the_history_of_many_starts_of_docker_stays_short_and_can_be_undone_to_its_beginning(host: Host) -> None:
    docker_host(host, NFT)
    host.write("/etc/natfix/natfix.toml", b"[history]\nkeep = 2\n")
    for _ in range(4):
        host.natfix("restore", *options(NFT))
        put_back(host, NFT, broad(NFT))
    host.natfix("restore", *options(NFT))
    # The first one, which made the corrected rule, and the newest two.
    assert len(states(host)) == 3
    for _ in states(host):
        host.natfix("undo")
        assert broad(NFT) in rules(host, NFT)
    assert rules(host, NFT) == [broad(NFT)]
    assert set(states(host)) == {"undone"}
