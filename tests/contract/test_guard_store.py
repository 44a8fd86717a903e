"""GuardStore: its twin, and the tables of a real kernel."""

import os
from pathlib import Path

import pytest

from natfix.app.guard_ports import GuardStore
from natfix.audit.guard import Guard, HeldGuards
from natfix.errors import ConflictError, HostError, UnsupportedError
from natfix.host.guard import NftGuardStore
from natfix.host.guard_probe import observe, require_chains
from natfix.host.memory.guard import MODERN, MemoryGuardStore
from natfix.host.nft_listing import HostNftListing
from natfix.host.two_chains import Observation
from natfix.plan.guard import GuardChange
from natfix.ruleset import Family
from tests.netns import command
from tests.unit.audit.guards import guard

ONE, OTHER = guard(), guard(family=Family.IPV6)
MORE = guard({"docker0": ["172.7.21.0/24", "172.7.22.9"], "br-7f.1": ["172.7.121.0/24"], "": ["172.7.40.0/24"]})
HUNDRED = guard({f"br-{number}": [f"172.7.{number}.0/24"] for number in range(100)})


@pytest.fixture(params=["twin", pytest.param("kernel", marks=pytest.mark.kernel("nft"))])
def store(request: pytest.FixtureRequest) -> GuardStore:
    if request.param == "twin":
        return MemoryGuardStore()
    request.getfixturevalue("netns")
    return NftGuardStore()


def test_a_host_without_a_guard_holds_none(store: GuardStore) -> None:
    assert store.read() == HeldGuards()


def test_a_kernel_of_today_lets_a_guard_do_its_work(store: GuardStore) -> None:
    store.require()
    assert store.read() == HeldGuards()


@pytest.mark.parametrize("guards", [(ONE,), (OTHER,), (MORE, OTHER), (HUNDRED,)], ids=["v4", "v6", "both", "hundred"])
def test_what_is_put_is_read_back(store: GuardStore, guards: tuple[Guard, ...]) -> None:
    store.put(GuardChange((), guards))
    assert store.read() == HeldGuards(guards)
    store.put(GuardChange((), guards))
    assert store.read() == HeldGuards(guards)


@pytest.mark.parametrize("way", [(ONE, MORE), (MORE, ONE), (MORE, HUNDRED), (ONE, guard(cluster="172.0.0.0/8"))])
def test_one_guard_becomes_another(store: GuardStore, way: tuple[Guard, Guard]) -> None:
    store.put(GuardChange((), (way[0], OTHER)))
    store.put(GuardChange((way[0], OTHER), (way[1], OTHER)))
    assert store.read() == HeldGuards((way[1], OTHER))


def test_a_guard_goes_and_the_other_familys_stays(store: GuardStore) -> None:
    store.put(GuardChange((), (ONE, OTHER)))
    store.put(GuardChange((ONE, OTHER), (OTHER,)))
    assert store.read() == HeldGuards((OTHER,))
    store.put(GuardChange((OTHER,), ()))
    assert store.read() == HeldGuards()


def test_no_change_is_none(store: GuardStore) -> None:
    store.put(GuardChange((ONE,), (ONE,)))
    assert store.read() == HeldGuards()


def test_a_change_of_what_has_gone_is_refused(store: GuardStore) -> None:
    with pytest.raises(ConflictError, match="somebody changed the guard meanwhile; nothing was changed"):
        store.put(GuardChange((ONE, OTHER), (MORE,)))
    assert store.read() == HeldGuards()


@pytest.mark.kernel("nft")
def test_a_table_that_somebody_altered_is_told_and_put_right(netns: str) -> None:
    store = NftGuardStore()
    store.put(GuardChange((), (ONE,)))
    command("nft", "add", "element", "ip", "natfix", "homes", '{ "eth0" : accept }')
    assert store.read() == HeldGuards((), (Family.IPV4,))
    store.put(GuardChange((), (ONE,), (Family.IPV4,)))
    assert store.read() == HeldGuards((ONE,))


@pytest.mark.kernel("nft")
def test_what_nft_refuses_is_told_in_its_words(netns: str) -> None:
    with pytest.raises(HostError, match=r"cannot be changed: nft -f -: .*String exceeds maximum length"):
        NftGuardStore().put(GuardChange((), (guard({"br-longer-than-any-device": ["172.7.21.0/24"]}),)))
    assert NftGuardStore().read() == HeldGuards()


@pytest.mark.kernel("nft")
def test_without_nft_there_is_no_guard_and_none_can_be_put(netns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    NftGuardStore().put(GuardChange((), (ONE,)))
    monkeypatch.setattr("natfix.host.programs._SYSTEM_FOLDERS", ())
    monkeypatch.setenv("PATH", "/nowhere")
    assert NftGuardStore().read() == HeldGuards()
    for act in (NftGuardStore().require, lambda: NftGuardStore().put(GuardChange((), (ONE,)))):
        with pytest.raises(HostError, match="the program nft is not installed") as caught:
            act()
        assert "nftables" in str(caught.value)


@pytest.mark.kernel("nft")
def test_an_nft_that_dies_is_told_with_what_it_dies_of(netns: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nft"
    program.write_text("#!/bin/sh\nkill -SEGV $$\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    command("/usr/sbin/nft", "add", "table", "inet", "other")
    for act in (lambda: NftGuardStore().put(GuardChange((), (ONE,))), HostNftListing().read):
        with pytest.raises(HostError, match=r"^nft .* died \(SIGSEGV\), which is a defect of that program") as caught:
            act()
        assert "sets that a newer nft made" in str(caught.value)


@pytest.mark.kernel("nft", "unshare")
def test_the_probe_sees_both_chains_of_this_kernel_at_work(netns: str) -> None:
    assert observe() == MODERN
    assert command("nft", "list", "tables") == ""


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (Observation(refused="Device or resource busy"), "a second one is refused: Device or resource busy"),
        (Observation(unbound="127.0.0.1", bound="127.0.0.1"), "is not asked about a packet that the first one left alone"),
        (Observation(unbound="nobody", bound="127.0.0.1"), "is not asked about"),
        (Observation(unbound="127.0.0.9", bound="127.0.0.9"), "is asked about a packet that the first one has decided on"),
    ],
)
def test_a_kernel_whose_nat_chains_exclude_each_other_is_refused(seen: Observation, reason: str) -> None:
    with pytest.raises(UnsupportedError, match="would switch Docker's masquerade off") as caught:
        require_chains(seen)
    assert reason in str(caught.value)
    assert "Linux 4.18" in str(caught.value)
    with pytest.raises(UnsupportedError):
        MemoryGuardStore(seen).require()
