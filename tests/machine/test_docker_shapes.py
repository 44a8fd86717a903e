"""Every kind of network that a Docker can make, in one session of each Docker: natfix's verdict, the kernel's, and packets."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.host.lab.dockerd import IMAGE
from tests.dumps import Findings, judged
from tests.kernel import peer
from tests.machine.conftest import Images
from tests.machine.machines.pair import ARCHIVE, CLUSTER, DIRECT, SERVER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.pod import NO_ANSWER
from tests.machine.machines.wire import wire
from tests.netns import command, namespace

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

BRIDGE = "com.docker.network.bridge"
CIDRS = ("--cluster-cidr", CLUSTER, "--cluster-cidr", "fd07::/16")
# Docker 20.10 and 26.1 write IPv6 rules only when asked to try it; where they take addresses from themselves is inside the
# cluster, too, so that the bridge of a swarm is.
SETTINGS = {
    "experimental": True,
    "ip6tables": True,
    "default-address-pools": [{"base": "172.7.192.0/20", "size": 24}],
}
NETWORKS = {
    "own": ("172.7.121.0/24", "--ipv6", "--subnet=fd07:121::/64"),
    "inner": ("172.7.122.0/24", "--internal"),
    "fixed": ("172.7.123.0/24", "--opt=com.docker.network.host_ipv4=10.4.7.21"),
    "plain": ("172.7.124.0/24", f"--opt={BRIDGE}.enable_ip_masquerade=false"),
    "routed": ("172.7.125.0/24", f"--opt={BRIDGE}.gateway_mode_ipv4=routed"),
}
# Older Dockers take the option, and do not know it.
ROUTED = {"sid"}
PEER = Path(peer.__file__).read_text(encoding="utf-8")
FAR = """
address add fd10::22/64 dev eth0 nodad
route add 172.7.0.0/16 via 10.4.7.21
route add fd07::/16 via fd10::21
address add 172.7.22.2/32 dev lo
address add fd07:22::2/128 dev lo
address add 203.0.113.5/32 dev lo
"""
NEAR = """
address add fd10::21/64 dev eth0 nodad
route add 172.7.22.0/24 via 10.4.7.22
route add fd07:22::/64 via fd10::22
route add 203.0.113.0/24 via 10.4.7.22
"""


class Docker:
    """A host with a container on a network of each kind, and everybody else behind its eth0.

    Args:
        host: the machine.
        far: the network namespace of the others.
        release: of Debian.
        backend: which iptables Docker calls.
    """

    def __init__(self, host: DockerHost, far: str, release: str, backend: str) -> None:
        self.host = host
        self.networks = {name: NETWORKS[name] for name in NETWORKS if name != "routed" or release in ROUTED}
        self.settings = {**DIRECT.get(release, {}), **SETTINGS}
        self.backend = backend
        self._far = far

    def build(self) -> None:
        """Make the networks, a swarm of one, and the containers."""
        self.host.output("ip", "-batch", "-", data=NEAR)
        self.host.output("docker", "import", ARCHIVE, IMAGE)
        for name, (subnet, *options) in self.networks.items():
            # As Docker would call it, whose own choice is another one each time.
            named = f"--opt={BRIDGE}.name=br-{subnet.split('.')[2]:0>12}"
            self.host.output("docker", "network", "create", f"--subnet={subnet}", named, *options, name)
        self.host.output("docker", "swarm", "init", "--advertise-addr=10.4.7.21")
        overlay = ("--driver=overlay", "--attachable", "--subnet=10.0.9.0/24")
        self.host.output("docker", "network", "create", *overlay, "over")
        for name in self.containers:
            published = ("--publish=8080:80",) if name == "own" else ()
            started = ("--detach", f"--name={name}", f"--network={name}", "--restart=always", *published)
            self.host.output("docker", "run", *started, IMAGE, "/bin/busybox", "sh", "-c", SERVER)

    @property
    def containers(self) -> tuple[str, ...]:
        """Each is called like its network."""
        return ("bridge", *self.networks, "over")

    def ask(self, *words: str) -> tuple[int, str]:
        """Run a program on the host."""
        done = self.host.run(*words)
        return done.returncode, done.stdout or done.stderr

    def apply(self) -> None:
        """Let natfix correct the host."""
        code, said = self.ask("natfix", "apply", *CIDRS)
        assert code == 0, said

    def judged(self, kind: str = "") -> Findings:
        """What natfix finds in a dump of the host."""
        version = self.host.docker_version().partition("+")[0]
        return judged(self.ask, f"docker-{version}-{kind}{self.backend}", *CIDRS)

    def without_proxy(self) -> None:
        """Let Docker publish ports by rules alone, and wait until all containers are back."""
        self.host.put(
            "/etc/docker/daemon.json", json.dumps({"bip": self.host.bridge, **self.settings, "userland-proxy": False})
        )
        self.host.restart_docker()
        assert eventually(lambda: len(self.host.run("docker", "ps", "--quiet").stdout.split()) == len(self.containers))
        # The last thing that Docker does for a container is to publish its port.
        assert eventually(lambda: self.published() != ""), self.host.journal("--unit=docker.service")

    def seen(self, address: str, *names: str) -> dict[str, str]:
        """The source of a new connection of each container to *address*, as the far end sees it."""
        command_line = ("python3", "-I", "-S", "-c", PEER, "ask", address, "80")
        found = {}
        with self._serving():
            for name in names or self.containers:
                done = self.host.run("nsenter", f"--net=/proc/{self._pid(name)}/ns/net", "--", *command_line)
                found[name] = done.stdout.strip() if done.returncode == 0 else NO_ANSWER
        return found

    def published(self, *, by: str = "") -> str:
        """The source that the published port shows of somebody else, or of a container; empty without an answer."""
        ask = ("timeout", "5", "busybox", "wget", "-q", "-O", "-", "http://10.4.7.21:8080/cgi-bin/source")
        if by:
            done = self.host.run("nsenter", f"--net=/proc/{self._pid(by)}/ns/net", "--", *ask)
        else:
            done = subprocess.run(["ip", "netns", "exec", self._far, *ask], check=False, capture_output=True, text=True)
        return done.stdout.strip().strip("[]").removeprefix("::ffff:")

    def _pid(self, name: str) -> str:
        return self.host.output("docker", "inspect", "--format={{.State.Pid}}", name).strip()

    @contextmanager
    def _serving(self) -> Iterator[None]:
        words = ["ip", "netns", "exec", self._far, sys.executable, "-I", "-S", peer.__file__, "serve", "80"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdin
            assert server.stdout
            try:
                assert server.stdout.readline() == "ready\n"
                yield
            finally:
                server.stdin.close()


# The oldest one with the legacy programs, as it was used.
@pytest.fixture(scope="module", params=[("bookworm", "legacy"), ("trixie", "nft"), ("sid", "nft")], ids=lambda each: each[0])
def docker(request: pytest.FixtureRequest, images: Images, natfix_layer: Path) -> Iterator[Docker]:
    """One host for each Docker."""
    release, backend = request.param
    with wire() as cable, namespace("far") as far, DockerHost("hA", 21, [natfix_layer, images(release)], cable) as host:
        cable.plug(far, "10.4.7.22")
        command("ip", "-n", far, "-batch", "-", data=FAR)
        docker = Docker(host, far, release, backend)
        host.prepare(docker.settings, backend)
        host.boot()
        docker.build()
        yield docker


def expected(found: Findings) -> dict[str, str]:
    """The findings about source NAT, each by the source that its rule names."""
    return {rule.split(" -s ")[1].split()[0]: id_ for id_, rule in found if " -s " in rule and id_ not in {"DOC001", "DOC002"}}


BROAD = {
    "172.7.21.0/24": "NAT001",
    "172.7.121.0/24": "DOC004",
    "172.7.123.0/24": "NAT002",
    "172.7.192.0/24": "DOC003",
    "fd07:121::/64": "DOC004",
}
NODE = {"bridge": "10.4.7.21", "own": "10.4.7.21", "fixed": "10.4.7.21", "over": "10.4.7.21"}
ITSELF = {"plain": "172.7.124.2", "routed": "172.7.125.2", "inner": NO_ANSWER}
SHOWN = {"bridge": "172.7.21.2", "own": "172.7.121.2", "fixed": "172.7.123.2"}


def test_each_network_is_judged_as_the_kernel_and_the_far_end_do(docker: Docker) -> None:
    assert expected(docker.judged()) == BROAD
    itself = {name: address for name, address in ITSELF.items() if name in docker.networks}
    assert docker.seen("172.7.22.2") == NODE | itself
    assert docker.seen("fd07:22::2", "own") == {"own": "fd10::21"}

    docker.apply()
    seen = docker.seen("172.7.22.2")
    assert seen.pop("over").startswith("172.7.192.")
    assert seen == SHOWN | itself
    assert docker.seen("fd07:22::2", "own") == {"own": "fd07:121::2"}
    outside = docker.seen("203.0.113.5", *SHOWN)
    assert outside == dict.fromkeys(SHOWN, "10.4.7.21")
    assert (docker.published(), docker.published(by="own")) == ("10.4.7.22", "172.7.121.1")


def test_without_the_proxy_its_hairpin_rules_are_no_fault(docker: Docker) -> None:
    docker.without_proxy()
    # It misses its rules at its start, and writes them anew above those that natfix has made of them.
    assert expected(docker.judged("noproxy-")) == dict.fromkeys(BROAD, "NAT003")
    docker.apply()
    assert docker.seen("172.7.22.2", *SHOWN) == SHOWN
    assert (docker.published(), docker.published(by="own")) == ("10.4.7.22", "172.7.121.1")
