"""KernelState: its twin, and the kernel of a namespace."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from natfix.app.collect_ports import KernelState
from natfix.errors import HostError
from natfix.host.kernel_state import HostKernelState
from natfix.host.memory.kernel_state import MemoryKernelState
from tests.netns import command

Made = Callable[..., KernelState]
KINDS = ["memory", pytest.param("host", marks=pytest.mark.kernel)]
USUAL = {
    "ipv4": ["0: from all lookup 255", "32766: from all lookup 254", "32767: from all lookup 253"],
    "ipv6": ["0: from all lookup 255", "32766: from all lookup 254"],
}


@pytest.fixture(params=KINDS)
def made(request: pytest.FixtureRequest) -> Made:
    """Put settings there, of devices that are made for it."""
    if request.param == "host":
        request.getfixturevalue("netns")

    def give(settings: dict[str, str], *devices: str) -> KernelState:
        if request.param == "memory":
            return MemoryKernelState(settings)
        for device in devices:
            command("ip", "link", "add", device, "type", "bridge")
        for name, value in settings.items():
            Path(_file(name)).write_text(value)
        return HostKernelState()

    return give


def test_settings_are_those_of_the_host_and_of_the_devices_asked_for(made: Made) -> None:
    settings = {
        "net.ipv4.ip_forward": "1",
        "net.ipv6.conf.all.forwarding": "0",
        "net.ipv4.conf.all.rp_filter": "2",
        "net.ipv4.conf.br.20.rp_filter": "1",
        "net.ipv4.conf.br1.rp_filter": "2",
    }
    found = made(settings, "br.20", "br1").settings(["br.20", "gone"])
    assert {name: found.get(name) for name in settings} == {**settings, "net.ipv4.conf.br1.rp_filter": None}
    assert "net.ipv4.conf.gone.rp_filter" not in found


def test_a_fresh_host_has_the_usual_routing_rules(made: Made) -> None:
    assert {family: list(lines) for family, lines in made({}).policies().items()} == USUAL


def test_a_kernel_that_does_not_answer_is_an_error() -> None:
    with pytest.raises(HostError):
        MemoryKernelState(rules=None).policies()


def test_the_kernel_and_the_host_are_named() -> None:
    assert HostKernelState().identity() == (os.uname().nodename, os.uname().release)
    assert MemoryKernelState().identity() == ("web1", "6.1.0")


@pytest.mark.kernel
def test_routing_rules_are_spelt_as_ip_spells_them(netns: str) -> None:
    for family, words in (
        ("-4", "priority 100 from 172.7.21.0/24 to 10.0.0.0/8 lookup 100"),
        ("-4", "priority 101 not from all fwmark 0x4000/0x4000 iif lo lookup 4711"),
        ("-4", "priority 102 from all tos 0x10 oif eth9 prohibit"),
        ("-4", "priority 103 from all fwmark 0x1 blackhole"),
        ("-4", "priority 104 from all goto 32766"),
        ("-4", "priority 105 from all nop"),
        ("-6", "priority 100 from fd07:21::/64 unreachable"),
    ):
        command("ip", family, "rule", "add", *words.split())
    found = HostKernelState().policies()
    for family, option in (("ipv4", "-4"), ("ipv6", "-6")):
        printed = command("ip", option, "rule").splitlines()
        assert list(found[family]) == [" ".join(line.split()) for line in _plain(printed)]


def test_counters_are_summed_up_over_processors(tmp_path: Path) -> None:
    folder = tmp_path / "thread-self" / "net" / "stat"
    folder.mkdir(parents=True)
    (folder / "nf_conntrack").write_text(
        "entries  found insert_failed\n00000005 00000001 0000000a\n00000005 00000000 00000006\n"
    )
    assert HostKernelState(str(tmp_path)).counters() == {"found": 1, "insert_failed": 16}
    assert HostKernelState(str(tmp_path / "none")).counters() == {}
    assert MemoryKernelState(counted={"found": 1}).counters() == {"found": 1}


def _file(name: str) -> str:
    start, end = "net.ipv4.conf.", ".rp_filter"
    if name.startswith(start):
        return f"/proc/sys/net/ipv4/conf/{name[len(start) : -len(end)]}/rp_filter"
    return f"/proc/sys/{name.replace('.', '/')}"


def _plain(lines: list[str]) -> list[str]:
    """What ip adds for people is no part of a rule, and it calls three tables by name."""
    for said, meant in (
        ("[detached] ", ""),
        ("[unresolved]", ""),
        ("lookup local", "lookup 255"),
        ("lookup main", "lookup 254"),
        ("lookup default", "lookup 253"),
    ):
        lines = [line.replace(said, meant) for line in lines]
    return lines
