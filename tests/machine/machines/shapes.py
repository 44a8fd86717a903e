"""One host with a container on each kind of network that a Docker can make, and everybody else behind its eth0."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from natfix.host.lab.dockerd import IMAGE
from tests.dumps import Findings, judged
from tests.kernel import peer
from tests.machine.machines.pair import ARCHIVE, CLUSTER, DIRECT, SERVER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.pod import NO_ANSWER

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
# The audit rules about addresses that are hidden, for every author whose rules stand on these hosts.
HIDING = {"CNI001", "DOC003", "DOC004", "LIB001", "NAT001", "NAT002", "NAT003", "POD001"}
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
        self.release = release
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

    def found(self) -> Findings:
        """The rules of the host that hide addresses, each with the audit rule that found it; settings are another matter."""
        document = json.loads(self.ask("natfix", "check", *CIDRS, "--format=json")[1])
        findings = [each for table in document["tables"] for each in table["findings"]]
        return {(each["id"], each["rule"]["text"]) for each in findings if each["id"] in HIDING}

    def guard(self, switch: str) -> None:
        """Switch natfix's guard on or off."""
        code, said = self.ask("natfix", "guard", switch, *(CIDRS if switch == "on" else ()))
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
        return self.seen_from({name: f"/proc/{self._pid(name)}/ns/net" for name in names or self.containers}, address)

    def seen_from(self, namespaces: Mapping[str, str], address: str) -> dict[str, str]:
        """The same for whoever lives in these network namespaces."""
        command_line = ("python3", "-I", "-S", "-c", PEER, "ask", address, "80")
        found = {}
        with self._serving():
            for name, namespace in namespaces.items():
                done = self.host.run("nsenter", f"--net={namespace}", "--", *command_line)
                found[name] = done.stdout.strip() if done.returncode == 0 else NO_ANSWER
        return found

    def published(self, *, by: str = "") -> str:
        """The source that the published port shows of somebody else, or of a container; empty without an answer."""
        ask = ("timeout", "10", "busybox", "wget", "-q", "-O", "-", "http://10.4.7.21:8080/cgi-bin/source")
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
