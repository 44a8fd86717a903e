"""Two machines with Docker on one wire, whose pods reach each other by routes: the situation natfix is about."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from natfix.host.lab.dockerd import IMAGE, write_image
from tests.machine.machines.machine import Machine
from tests.machine.machines.pod import Pod
from tests.machine.machines.wire import Wire, wire
from tests.netns import command
from tests.saves import comparable

Settings = Mapping[str, object]

CLUSTER = "172.7.0.0/16"
CONTAINER = "pod"
ARCHIVE = "/root/server.tar"
# As the first process of a container, a server alone would not heed the signal to end, and each shutdown would wait for it.
SERVER = "trap exit TERM; /bin/busybox httpd -f -p 80 -h /www & wait"
IPTABLES = [f"{family}{kind}" for family in ("iptables", "ip6tables") for kind in ("", "-save", "-restore")]

# Docker 28 drops what was routed to docker0 from elsewhere twice: in table raw, container by container, which a key of
# daemon.json stops; and in its chain DOCKER of table filter, which only a rule of the host's own before it prevents. Docker
# keeps what it finds in DOCKER-USER.
DIRECT: dict[str, Settings] = {"sid": {"allow-direct-routing": True}}
ROUTED = "routed-pods.service"
ROUTED_UNIT = """\
[Unit]
Description=Let other hosts reach the pods of this one
Before=docker.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/iptables -N DOCKER-USER
ExecStart=/usr/sbin/iptables -A DOCKER-USER -i eth0 -o docker0 -j ACCEPT

[Install]
WantedBy=multi-user.target
"""


class DockerHost(Machine):
    """A machine with Docker.

    Args:
        name: its host name.
        number: 21 is node 10.4.7.21, whose pods are 172.7.21.0/24.
        layers: what its disk is made of.
        cable: what it is plugged into.
    """

    def __init__(self, name: str, number: int, layers: Sequence[Path], cable: Wire) -> None:
        super().__init__(name, layers, self._connect)
        self.number = number
        self.address = f"10.4.7.{number}"
        self.bridge = f"172.7.{number}.1/24"
        self.subnet = f"172.7.{number}.0/24"
        self.broad = f"-A POSTROUTING -s {self.subnet} ! -o docker0 -j MASQUERADE"
        self.narrow = f"-A POSTROUTING -s {self.subnet} ! -d {CLUSTER} ! -o docker0 -j MASQUERADE"
        self._cable = cable
        self._routes: dict[str, str] = {}

    @property
    def pod(self) -> Pod:
        """Its container, which serves; a restart of Docker ends it and starts it again."""
        return Pod(f"the container on {self.name}", self, f"172.7.{self.number}.2", self._container_namespace)

    def route(self, other: "DockerHost") -> None:
        """Let it reach the pods of another host through that host, from its next start on."""
        self._routes[other.subnet] = other.address

    def prepare(self, settings: Settings, backend: str) -> None:
        """Write its daemon.json and an image of a server, and choose which iptables programs all use; while it is off."""
        write_image(self.root / ARCHIVE.lstrip("/"))
        self.put("/etc/docker/daemon.json", json.dumps({"bip": self.bridge, **settings}))
        for name in IPTABLES:
            link = self.root / "etc/alternatives" / name
            link.unlink(missing_ok=True)
            link.symlink_to(f"/usr/sbin/{name.replace('tables', f'tables-{backend}')}")

    def accept_routed(self) -> None:
        """Let what other hosts route to its pods get there, which Docker 28 and later refuse; while it is off."""
        self.put(f"/etc/systemd/system/{ROUTED}", ROUTED_UNIT)
        wants = self.root / "etc/systemd/system/multi-user.target.wants"
        (wants / ROUTED).symlink_to(f"/etc/systemd/system/{ROUTED}")

    def start_pod(self) -> None:
        """Start a container that serves, and answers with the address it was reached from."""
        self.output("docker", "import", ARCHIVE, IMAGE)
        options = ("--detach", f"--name={CONTAINER}", "--restart=always")
        self.output("docker", "run", *options, IMAGE, "/bin/busybox", "sh", "-c", SERVER)
        self.pod.wait()

    def attach_pod(self, last: int = 250) -> Pod:
        """Put a pod of another runtime on docker0, with the address that ends in *last*.

        It stays when Docker restarts, so that its connections show each moment of it; it is gone when the machine is off.
        """
        name, address = f"pod{last}", f"172.7.{self.number}.{last}"
        script = (
            f"ip netns add {name} && ip link add {name} type veth peer name eth0 netns {name}"
            f" && ip link set {name} master docker0 up && ip -n {name} address add {address}/24 dev eth0"
            f" && ip -n {name} link set lo up && ip -n {name} link set eth0 up"
            f" && ip -n {name} route add default via {self.bridge.removesuffix('/24')}"
        )
        self.output("sh", "-c", script)
        return Pod(f"{name} on {self.name}", self, address, lambda: f"/run/netns/{name}")

    def restart_docker(self) -> None:
        """Restart docker.service, and wait for its start job; its container comes back a little later."""
        # The unit may be started three times a minute, which a test is allowed to exceed.
        self.output("systemctl", "reset-failed", "docker.service")
        self.output("systemctl", "restart", "docker.service", seconds=120)

    def postrouting(self) -> list[str]:
        """Return the rules of nat POSTROUTING as iptables-save prints them."""
        saved = self.output("iptables-save", "-t", "nat").splitlines()
        return [line for line in saved if line.startswith("-A POSTROUTING ")]

    def is_right(self) -> bool:
        """Whether Docker's rule spares the cluster."""
        rules = self.postrouting()
        return self.broad not in rules and self.narrow in rules

    def saved(self) -> list[str]:
        """Return what iptables-save and ip6tables-save print, without remarks and what chains have counted."""
        return comparable(self.output("sh", "-c", "iptables-save && ip6tables-save"))

    def firewall(self) -> list[str]:
        """Return every rule there is, as each program lists it, without counters."""
        return [*self.saved(), *self.output("nft", "-s", "list", "ruleset").splitlines()]

    def docker_version(self) -> str:
        """Return the version of the dockerd that runs."""
        return self.output("docker", "version", "--format={{.Server.Version}}").strip()

    def _connect(self, network: str) -> None:
        # Docker leaves the policy of FORWARD alone where forwarding is on already, as on a host that routes for its pods.
        command("nsenter", f"--net=/run/netns/{network}", "sysctl", "-q", "-w", "net.ipv4.ip_forward=1")
        self._cable.plug(network, self.address)
        for subnet, address in self._routes.items():
            command("ip", "-n", network, "route", "add", subnet, "via", address)

    def _container_namespace(self) -> str:
        pid = self.output("docker", "inspect", "--format={{.State.Pid}}", CONTAINER).strip()
        return f"/proc/{pid}/ns/net"


@dataclass(frozen=True)
class Pair:
    """Two hosts that have booted, each with a container that serves.

    Attributes:
        a: hA, node 10.4.7.21, pods 172.7.21.0/24.
        b: hB, node 10.4.7.22, pods 172.7.22.0/24.
        release: of both.
        seconds: how long each part of making them took.
    """

    a: DockerHost
    b: DockerHost
    release: str
    seconds: dict[str, float] = field(default_factory=dict)

    def seen(self) -> str:
        """The source address that the container on hB sees of a connection from the one on hA, or ``no answer``."""
        return self.a.pod.seen_by(self.b.pod)


@contextmanager
def docker_pair(release: str, layers: Sequence[Path], settings: Settings | None = None, backend: str = "nft") -> Iterator[Pair]:
    """Boot two hosts, and start a container on each.

    Args:
        release: what *layers* end with.
        layers: what their disks are made of, the topmost first.
        settings: more for daemon.json.
        backend: the iptables programs that Docker and everybody call, ``nft`` or ``legacy``.
    """
    with ExitStack() as stack:
        cable = stack.enter_context(wire())
        a, b = (
            stack.enter_context(DockerHost(f"h{letter}", number, layers, cable)) for letter, number in (("A", 21), ("B", 22))
        )
        pair = Pair(a, b, release)
        a.route(b)
        b.route(a)
        with _timed(pair, "boot"):
            for host in (a, b):
                # Older dockerds know no such key, and refuse it.
                host.prepare({**DIRECT.get(release, {}), **(settings or {})}, backend)
                if release in DIRECT:
                    host.accept_routed()
                host.start()
            for host in (a, b):
                host.wait()
        with _timed(pair, "containers"):
            for host in (a, b):
                host.start_pod()
        yield pair


@contextmanager
def _timed(pair: Pair, part: str) -> Iterator[None]:
    start = time.monotonic()
    yield
    pair.seconds[part] = time.monotonic() - start
