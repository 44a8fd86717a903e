"""Hosts on one wire with a real etcd and real node agents, each in a network namespace of its own, without any way out.

10.4.7.12 etcd ──┐
10.4.7.21 host ──┼── a bridge        each host: docker0 with 172.7.N.1/24, and a pod behind it
10.4.7.22 host ──┘
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.etcd import PREFIX, Etcd, etcd
from tests.netns import command, namespace

HOST_GW = '{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}'
VXLAN = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan"}}'
DIRECT = '{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan", "Directrouting": true}}'
NATFIX = (sys.executable, "-m", "natfix")
PATIENCE = 60.0


@dataclass
class Node:
    """A host that may run an agent.

    Attributes:
        number: the last part of its address, and the third of its containers' subnet.
        netns: its namespace.
        folder: for its files.
        server: where leases live.
    """

    number: int
    netns: str
    folder: Path
    server: Etcd
    address: str = ""
    entries: list[dict[str, Any]] = field(default_factory=list)
    process: subprocess.Popen[str] | None = None
    _hearer: threading.Thread | None = None

    @property
    def subnet(self) -> str:
        """Its containers'."""
        return f"172.7.{self.number}.0/24"

    @property
    def subnet_file(self) -> Path:
        """Where its agent writes its subnet."""
        return self.folder / "subnet.env"

    def words(self, *words: str) -> list[str]:
        """The words that run natfix on it."""
        return ["nsenter", f"--net=/run/netns/{self.netns}", *NATFIX, *words]

    def natfix(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run natfix on it, told of the store, to its end."""
        return subprocess.run(
            [*self.words(*words), *self.server.options()], check=False, capture_output=True, text=True, timeout=PATIENCE
        )

    def start(self, *options: str, wait: bool = True) -> None:
        """Start its agent, and wait until its routes are there."""
        self.entries = []
        self.folder.mkdir(exist_ok=True)
        fixed = ["--iface", "eth0", "--subnet-file", str(self.subnet_file), "--no-iptables-forward-rules", "--grace", "2"]
        words = self.words("node", "run", *fixed, *options, *self.server.options())
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=self.folder)
        self._hearer = threading.Thread(target=self._hear, args=(self.process, self.entries), daemon=True)
        self._hearer.start()
        if wait:
            self.hears("node-ready")

    def stop(self, how: Callable[[subprocess.Popen[str]], None] = subprocess.Popen.terminate) -> int:
        """End its agent; its exit code."""
        assert self.process is not None
        how(self.process)
        return self.ended()

    def ended(self) -> int:
        """Wait for the agent's own end; its exit code."""
        assert self.process is not None
        assert self._hearer is not None
        process, self.process = self.process, None
        code = process.wait(PATIENCE)
        self._hearer.join(PATIENCE)
        return code

    def told(self, what: str) -> list[str]:
        """What the agent told of one kind."""
        return [str(entry["message"]) for entry in list(self.entries) if entry["event"] == what]

    def hears(self, what: str, count: int = 1) -> None:
        """Wait until the agent has told something."""
        until(
            lambda: len(self.told(what)) >= count or (self.process is not None and self.process.poll() is not None),
            lambda: f"{what} was not told, but {self.entries}",
        )
        assert len(self.told(what)) >= count, self.entries

    def ip(self, *words: str) -> str:
        """Run ip on it."""
        return command("ip", "-n", self.netns, *words)

    def routes(self, *which: str) -> dict[str, str]:
        """Where natfix's routes lead: for each destination the next hop and the device."""
        listed = json.loads(self.ip("-json", "route", "show", *(which or ("proto", "110"))))
        return {one["dst"]: f"{one.get('gateway', 'link')} {one['dev']}" for one in listed}

    def routed(self, *others: "Node", through: str = "") -> bool:
        """Whether its routes lead to the subnets of exactly these others; a tunnel's next hop is the subnet itself."""
        wanted = {
            other.subnet: f"{f'172.7.{other.number}.0 {through}' if through else f'{other.address} eth0'}" for other in others
        }
        return self.routes() == wanted

    def inside(self, *words: str) -> str:
        """Run a program on it."""
        return command("nsenter", f"--net=/run/netns/{self.netns}", *words)

    def asks(self, path: str, port: int = 2401) -> str:
        """What its agent answers on its loopback, the status first; empty while nobody answers."""
        script = (
            "import http.client, sys\n"
            f"ask = http.client.HTTPConnection('127.0.0.1', {port}, timeout=5)\n"
            f"ask.request('GET', {path!r})\nanswer = ask.getresponse()\n"
            "sys.stdout.write(f'{answer.status} {answer.read().decode()}')\n"
        )
        words = ["nsenter", f"--net=/run/netns/{self.netns}", sys.executable, "-c", script]
        return subprocess.run(words, check=False, capture_output=True, text=True, timeout=PATIENCE).stdout

    def pings(self, address: str) -> bool:
        """Whether an answer comes from there."""
        words = ["nsenter", f"--net=/run/netns/{self.netns}", "ping", "-c", "1", "-W", "2", address]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def _hear(self, process: subprocess.Popen[str], entries: list[dict[str, Any]]) -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                try:
                    entries.append(json.loads(line))
                except ValueError:
                    entries.append({"event": "?", "message": line})


@dataclass
class Street:
    """The hosts, and the etcd they share."""

    server: Etcd
    nodes: Sequence[Node]

    def lease(self, number: int, value: dict[str, Any] | None = None, *, address: str = "") -> None:
        """Let a host that is not there hold a subnet."""
        said = value or {"PublicIP": address or f"10.4.7.{number}", "PublicIPv6": None, "BackendType": "host-gw"}
        self.server.ctl("put", f"{PREFIX}/subnets/172.7.{number}.0-24", json.dumps(said))

    def leases(self) -> dict[str, dict[str, Any]]:
        """What the store holds, by the keys' last part."""
        lines = self.server.ctl("get", "--prefix", f"{PREFIX}/subnets/").splitlines()
        return {key.rpartition("/")[2]: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}

    def release(self, number: int) -> None:
        """Delete a lease."""
        self.server.ctl("del", f"{PREFIX}/subnets/172.7.{number}.0-24")


@contextmanager
def street(folder: Path, config: str, *numbers: int) -> Iterator[Street]:
    """Make hosts on one wire with an etcd that holds *config*; all is gone afterwards."""
    with ExitStack() as stack:
        wire = stack.enter_context(namespace("wire"))
        command("ip", "-n", wire, "link", "add", "br0", "type", "bridge")
        command("ip", "-n", wire, "link", "set", "br0", "up")
        place = stack.enter_context(namespace("etcd"))
        _plug(wire, place, "10.4.7.12")
        server = stack.enter_context(etcd(folder / "etcd", namespace=place, host="10.4.7.12", port=2379))
        server.ctl("put", f"{PREFIX}/config", config)
        nodes = []
        for number in numbers:
            name = stack.enter_context(namespace(f"host{number}"))
            node = Node(number, name, folder / str(number), server, f"10.4.7.{number}")
            _plug(wire, name, node.address)
            _furnish(stack, node)
            stack.callback(_end, node)
            nodes.append(node)
        yield Street(server, nodes)


def _plug(wire: str, name: str, address: str) -> None:
    """Put a namespace on the wire."""
    port = f"to{address.rpartition('.')[2]}"
    command("ip", "-n", wire, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
    command("ip", "-n", wire, "link", "set", port, "master", "br0", "up")
    command("ip", "-n", name, "address", "add", f"{address}/24", "dev", "eth0")
    command("ip", "-n", name, "link", "set", "eth0", "up")


def _furnish(stack: ExitStack, node: Node) -> None:
    """Give a host docker0 and a pod."""
    command("nsenter", f"--net=/run/netns/{node.netns}", "sysctl", "-qw", "net.ipv4.ip_forward=1")
    pod = stack.enter_context(namespace("pod"))
    node.ip("link", "add", "docker0", "type", "bridge")
    node.ip("address", "add", f"172.7.{node.number}.1/24", "dev", "docker0")
    node.ip("link", "set", "docker0", "up")
    node.ip("link", "add", "to-pod", "type", "veth", "peer", "name", "eth0", "netns", pod)
    node.ip("link", "set", "to-pod", "master", "docker0", "up")
    command("ip", "-n", pod, "address", "add", f"172.7.{node.number}.2/24", "dev", "eth0")
    command("ip", "-n", pod, "link", "set", "eth0", "up")
    command("ip", "-n", pod, "route", "add", "default", "via", f"172.7.{node.number}.1")


def _end(node: Node) -> None:
    if node.process is not None:
        with suppress(ProcessLookupError):
            node.stop(subprocess.Popen.kill)


def until(holds: Callable[[], object], complaint: Callable[[], object] = lambda: "it did not happen") -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, complaint()
        time.sleep(0.02)
