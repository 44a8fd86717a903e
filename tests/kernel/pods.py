"""A container host with two bridges and a pod on each, and everything else of the world behind its eth0.

::

    pod   172.7.21.2 ── docker0 172.7.21.1 ┐
                                           host ── eth0 10.4.7.21 ── far: node 10.4.7.22, remote pod 172.7.22.2,
    other 172.7.121.2 ── br-own 172.7.121.1 ┘                            and 203.0.113.5, which is outside
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from natfix.app.ports import Backend
from natfix.ruleset import Family
from tests.kernel import peer
from tests.kernel.hosts import Host, broad, own_host

PEER = (sys.executable, "-I", "-S", str(Path(peer.__file__)))
FAMILIES = list(Family)


class World(NamedTuple):
    """The addresses of one family."""

    pod: str
    gateway: str
    other: str
    node: str
    remote: str
    outside: str
    service: str
    everywhere: str


WORLD = {
    Family.IPV4: World(
        "172.7.21.2", "172.7.21.1", "172.7.121.2", "10.4.7.21", "172.7.22.2", "203.0.113.5", "10.96.0.1", "10.96.0.2"
    ),
    Family.IPV6: World(
        "fd07:21::2", "fd07:21::1", "fd07:121::2", "fd10::21", "fd07:22::2", "2001:db8::5", "fd96::1", "fd96::2"
    ),
}
CIDRS = ("--cluster-cidr", "172.7.0.0/16", "--cluster-cidr", "fd07::/16")
_NO_DUPLICATES = "net.ipv6.conf.default.accept_dad=0"
LINKS = """
link add eth0 type veth peer name eth0 netns far
link set eth0 up
address add 10.4.7.21/24 dev eth0
address add fd10::21/64 dev eth0 nodad
link add docker0 type bridge
link add br-own type bridge
link add to-pod type veth peer name eth0 netns pod
link add to-other type veth peer name eth0 netns other
link set to-pod master docker0 up
link set to-other master br-own up
link set to-pod type bridge_slave hairpin on
address add 172.7.21.1/24 dev docker0
address add fd07:21::1/64 dev docker0 nodad
address add 172.7.121.1/24 dev br-own
address add fd07:121::1/64 dev br-own nodad
link set docker0 up
link set br-own up
"""
ROUTES = """
route add 172.7.22.0/24 via 10.4.7.22
route add 203.0.113.0/24 via 10.4.7.22
route add fd07:22::/64 via fd10::22
route add 2001:db8::/64 via fd10::22
"""
FAR = """
link set lo up
address add 10.4.7.22/24 dev eth0
address add fd10::22/64 dev eth0 nodad
link set eth0 up
address add 172.7.22.2/32 dev lo
address add 203.0.113.5/32 dev lo
address add fd07:22::2/128 dev lo
address add 2001:db8::5/128 dev lo
route add 172.7.0.0/16 via 10.4.7.21
route add fd07::/16 via fd10::21
"""
POD = """
link set lo up
address add {ipv4}.2/24 dev eth0
address add {ipv6}::2/64 dev eth0 nodad
link set eth0 up
route add default via {ipv4}.1
route add default via {ipv6}::1
"""


class Site:
    """The host, and what is around it.

    Args:
        host: where natfix runs.
    """

    def __init__(self, host: Host) -> None:
        self.host = host

    def build(self) -> None:
        """Make everything around the host."""
        self.host.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1")
        # No neighbour is looked for from a link-local address that may be a duplicate, which takes a second or two to know.
        self.host.run("sysctl", "-qw", _NO_DUPLICATES)
        for place in ("far", "pod", "other"):
            self.host.run("ip", "netns", "add", place)
            self.host.run(*self.within(place, "sysctl", "-qw", _NO_DUPLICATES))
        self.host.run("ip", "-batch", "-", data=LINKS)
        self.host.run("ip", "-n", "far", "-batch", "-", data=FAR)
        self.host.run("ip", "-batch", "-", data=ROUTES)
        self.host.run("ip", "-n", "pod", "-batch", "-", data=POD.format(ipv4="172.7.21", ipv6="fd07:21"))
        self.host.run("ip", "-n", "other", "-batch", "-", data=POD.format(ipv4="172.7.121", ipv6="fd07:121"))

    def within(self, place: str, *command: str) -> tuple[str, ...]:
        """The words that run *command* in a namespace beside the host's own."""
        return ("nsenter", f"--net=/run/netns/{place}", "--", *command)

    @contextmanager
    def serving(self, place: str, port: int = 80) -> Iterator[dict[str, int]]:
        """Serve in *place*; afterwards the dictionary tells how many connections came from where."""
        counted: dict[str, int] = {}
        with self.host.start(*self.within(place, *PEER, "serve", str(port))) as server:
            assert server.stdout
            assert server.stdin
            try:
                assert server.stdout.readline() == "ready\n", server.communicate()
                yield counted
            finally:
                server.stdin.close()
                counted.update(json.loads(server.stdout.read()))

    def seen(self, sender: str, address: str, port: int = 80) -> str:
        """The source address of a new connection, as the far end sees it; ``no answer`` without one."""
        done = self.host.ask(*self.within(sender, *PEER, "ask", address, str(port)))
        return done.output.strip() if done.code == 0 else "no answer"

    def connect_often(self, address: str, count: int, port: int) -> None:
        """Open so many connections from the pod, one after the other."""
        self.host.run(*self.within("pod", *PEER, "many", address, str(port), str(count)))

    @contextmanager
    def repeating(self, *commands: str) -> Iterator[None]:
        """Run shell commands again and again meanwhile."""
        loop = f"while [ ! -e /run/stop ]; do {'; '.join(commands)}; touch /run/going; done"
        running = self.host.start("sh", "-c", loop)
        while not self.host.path("/run/going").exists():
            assert running.poll() is None
        try:
            yield
        finally:
            self.host.path("/run/stop").touch()
            _, complaint = running.communicate(timeout=60)
            self.host.run("rm", "/run/stop", "/run/going")
            assert not complaint, complaint

    def docker(self, backend: Backend, how: str = "-I") -> None:
        """Put Docker's rule in, or take it out, as Docker does."""
        self.host.run(*docker_command(backend, how))


def docker_command(backend: Backend, how: str) -> tuple[str, ...]:
    """Docker's own call."""
    return (str(backend), "--wait", "10", "-t", "nat", how, "POSTROUTING", *broad(backend).split())


@pytest.fixture
def site() -> Iterator[Site]:
    """A host with pods for one test, with a server at the far side of its eth0 and one in each pod."""
    with own_host() as host:
        made = Site(host)
        made.build()
        with made.serving("far"), made.serving("pod"), made.serving("other"):
            yield made
