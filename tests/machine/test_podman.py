"""Podman beside Docker: what netavark writes is found, corrected, kept right at each start of a container, and guarded."""

from collections.abc import Iterator

import pytest

from natfix.host.lab.dockerd import IMAGE
from tests.dumps import Ask, judged
from tests.machine.conftest import DockerPairs
from tests.machine.machines.beside import configure_podman
from tests.machine.machines.pair import CLUSTER, SERVER, DockerHost, Pair
from tests.machine.machines.patience import eventually
from tests.machine.machines.pod import Pod
from tests.machine.machines.stream import stream

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

SUBNET, FIRST = "172.7.77.0/24", "172.7.77.2"
POD = ("--network=pods", IMAGE, "/bin/busybox", "sh", "-c")


@pytest.fixture(scope="module", params=["iptables", "nftables"])
def pair(request: pytest.FixtureRequest, docker_pairs: DockerPairs) -> Iterator[Pair]:
    """Two Docker hosts, of which hA runs Podman with a network inside the cluster, too."""
    with docker_pairs("trixie") as made:
        host = made.a
        made.b.output("ip", "route", "add", SUBNET, "via", host.address)
        host.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
        configure_podman(host, request.param, SUBNET)
        host.output("podman", "run", "--detach", f"--ip={FIRST}", "--name=first", *POD, SERVER)
        yield made


@pytest.fixture
def host(pair: Pair) -> Iterator[DockerHost]:
    """The one with Podman, with Docker's rule corrected, and nothing else of natfix's afterwards."""
    yield pair.a
    pair.a.run("natfix", "uninstall")
    pair.a.run("natfix", "guard", "off")
    pair.a.output("podman", "rm", "--force", "--time=0", "--ignore", "other")


def first(host: DockerHost) -> Pod:
    """The container that runs throughout."""

    def namespace() -> str:
        pid = host.output("podman", "inspect", "--format={{.State.Pid}}", "first").strip()
        return f"/proc/{pid}/ns/net"

    return Pod(f"Podman's container on {host.name}", host, FIRST, namespace)


def asking(host: DockerHost) -> Ask:
    def ask(*words: str) -> tuple[int, str]:
        done = host.run(*words)
        return done.returncode, done.stdout or done.stderr

    return ask


def netavark(host: DockerHost) -> str:
    """Its version."""
    return host.output("/usr/lib/podman/netavark", "--version").split()[-1]


def start_another(host: DockerHost) -> None:
    """Start a container in place of the one that was started before."""
    host.output("podman", "run", "--detach", "--replace", "--name=other", *POD, "trap exit TERM; sleep 9999 & wait")


def exposed(host: DockerHost) -> int:
    """How many rules let netavark hide addresses inside the cluster."""
    return host.output("iptables-save", "-t", "nat").count("! -d 224.0.0.0/4 -j MASQUERADE")


@pytest.mark.parametrize("pair", ["iptables"], indirect=True)
def test_check_names_netavarks_rule_and_apply_corrects_it(pair: Pair, host: DockerHost) -> None:
    assert first(host).seen_by(pair.b.pod) == host.address
    told = host.run("natfix", "check")
    assert told.returncode == 1
    assert f"hides the addresses of {SUBNET}" in told.stdout
    assert "nat NETAVARK-" in told.stdout
    found = judged(asking(host), f"netavark-{netavark(host)}-nft", "--cluster-cidr", CLUSTER)
    assert "POD001" in {id_ for id_, _ in found}
    host.output("natfix", "apply")
    assert (exposed(host), host.run("natfix", "check").returncode) == (0, 0)
    assert first(host).seen_by(pair.b.pod) == FIRST
    beyond = Pod("the host hB", pair.b, pair.b.address, lambda: "/proc/1/ns/net")
    with stream(first(host), beyond, rate=100) as outward:
        outward.wait_for(20)
        assert set(outward.traffic().sources) == {host.address}


@pytest.mark.parametrize("pair", ["iptables"], indirect=True)
def test_the_next_container_brings_it_back(pair: Pair, host: DockerHost) -> None:
    host.output("natfix", "apply")
    start_another(host)
    assert exposed(host) == 1
    assert first(host).seen_by(pair.b.pod) == host.address


@pytest.mark.parametrize("mode", ["watch", "path"])
@pytest.mark.parametrize("pair", ["iptables"], indirect=True)
def test_it_is_corrected_after_each_start_of_a_container(pair: Pair, host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    for _ in range(3):
        start_another(host)
        assert eventually(lambda: exposed(host) == 0), host.journal("--unit=natfix-*")
        assert first(host).seen_by(pair.b.pod) == FIRST


def test_behind_the_guard_none_is_hidden_whatever_netavark_writes_in(pair: Pair, host: DockerHost) -> None:
    # A network of Podman's has no bridge, and so no subnet that the guard could know, before its first container.
    host.output("natfix", "guard", "on")
    start_another(host)
    assert first(host).seen_by(pair.b.pod) == FIRST
    assert host.run("natfix", "check").returncode == 0
    host.output("natfix", "guard", "off")
    assert first(host).seen_by(pair.b.pod) == host.address
