"""Trying peers: the twin, and two real hosts."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from natfix.app.node.health import Health
from natfix.app.node.verify import Prober
from natfix.errors import HostError
from natfix.host.health import HealthServer
from natfix.host.memory.probe import MemoryProber
from natfix.host.probe import HostProber
from natfix.routing.state import Address
from tests.netns import command, enter, namespace

PAIRS = {4: ("10.4.7.21", "10.4.7.22", "10.4.7.23", "/24"), 6: ("fd10::21", "fd10::22", "fd10::23", "/64")}


class World:
    """This host, one that answers, and an address where nobody is."""

    def __init__(self, prober: Prober, version: int, port: int) -> None:
        self.prober = prober
        self.port = port
        self.own, self.there, self.nobody = map(ip_address, PAIRS[version][:3])


@pytest.fixture(params=["twin-4", *(pytest.param(f"real-{each}", marks=pytest.mark.kernel) for each in PAIRS)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    kind, _, version = request.param.partition("-")
    if kind == "twin":
        twin = MemoryProber()
        own, there = map(ip_address, PAIRS[4][:2])
        twin.times, twin.agents, twin.tracked = {there: 0.2}, {there: own}, {there: own}
        yield World(twin, 4, 2401)
        return
    with namespace("near") as near, namespace("far") as far:
        own_text, there_text, _, length = PAIRS[int(version)]
        command("ip", "-n", near, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", far)
        for name, address in ((near, own_text), (far, there_text)):
            nodad = ["nodad"] if ":" in address else []
            command("ip", "-n", name, "address", "add", f"{address}{length}", "dev", "eth0", *nodad)
            command("ip", "-n", name, "link", "set", "eth0", "up")
        with enter(far):
            server = HealthServer(there_text, 0, Health)
        with enter(near):
            program = "iptables" if version == "4" else "ip6tables"
            command(f"{program}-nft", "-t", "nat", "-A", "POSTROUTING", "-o", "lo", "-j", "MASQUERADE")
            try:
                made = World(HostProber(), int(version), server.port)
                # A cable that was just plugged in loses packets until the kernel has looked at its carrier.
                assert any(made.prober.ping(made.own, [made.there], 1) for _ in range(30)), "the cable carries nothing"
                yield made
            finally:
                server.close()


def test_who_is_there_answers_and_who_is_not_does_not(world: World) -> None:
    times = world.prober.ping(world.own, [world.there, world.nobody], 2)
    assert list(times) == [world.there]
    assert 0 < times[world.there] < 60_000


def test_the_kernel_tells_as_whom_it_let_packets_go(world: World) -> None:
    world.prober.ping(world.own, [world.there], 1)
    assert world.prober.rewritten(world.own, [world.there, world.nobody]) == {world.there: world.own}


def test_an_agent_tells_as_whom_it_sees_this_host(world: World) -> None:
    assert world.prober.ask(world.own, world.there, world.port) == world.own
    assert world.prober.ask(world.own, world.nobody, world.port) is None


@pytest.mark.kernel
def test_an_address_that_this_host_does_not_have_is_refused(netns: str) -> None:
    source: Address = ip_address("10.4.7.21")
    with pytest.raises(HostError, match=r"nothing can be sent from 10\.4\.7\.21"):
        HostProber().ping(source, [source], 1)
