"""A Docker host with firewalld: who notices that Docker puts its rules back after firewalld's start and reload."""

import json
import re
from collections.abc import Callable, Iterator

import pytest

from tests.dumps import judged, listed
from tests.machine.conftest import DockerPairs
from tests.machine.machines.pair import CLUSTER, DockerHost, Pair
from tests.machine.machines.patience import eventually
from tests.machine.machines.stream import stream

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

SETTINGS = f'cluster-cidr = ["{CLUSTER}"]\n'
# With each network Docker needs longer to answer: natfix's first look is over by then.
NETWORKS = {f"net{number}": f"172.7.{number}.0/24" for number in range(131, 137)}
RELOAD, START, UNIT_RELOAD = "firewall-cmd --reload", "systemctl restart firewalld", "systemctl reload firewalld"
HEARD = {"watch": (RELOAD, START, UNIT_RELOAD), "path": (START, UNIT_RELOAD), "drop-in": (START, UNIT_RELOAD)}
CONFIGURATION = "/etc/firewalld/firewalld.conf"
CIDR = ("--cluster-cidr", CLUSTER)
ZONE = ("firewall-cmd", "--quiet", "--zone=public")


@pytest.fixture(scope="module")
def pair(docker_pairs: DockerPairs) -> Iterator[Pair]:
    """Two Docker hosts, of which hA has firewalld, with Docker's networks in the zone that Docker makes for them."""
    with docker_pairs("trixie") as made:
        made.a.output("systemctl", "start", "firewalld.service")
        for name, subnet in NETWORKS.items():
            made.a.output(
                "docker", "network", "create", f"--subnet={subnet}", f"--opt=com.docker.network.bridge.name={name}", name
            )
        made.a.restart_docker()
        for host in (made.a, made.b):
            host.put("/etc/natfix/natfix.toml", SETTINGS)
        assert "net131" in made.a.output("firewall-cmd", "--zone=docker", "--list-interfaces")
        yield made


@pytest.fixture
def host(pair: Pair) -> Iterator[DockerHost]:
    """The one with firewalld, with nothing of natfix's afterwards."""
    yield pair.a
    pair.a.run("natfix", "uninstall")


def put_back(host: DockerHost) -> bool:
    """Whether Docker's rules of all its networks are there again, of which the last comes after Docker's last word."""
    return len(exposed(host)) == len(NETWORKS) + 1


def exposed(host: DockerHost) -> list[str]:
    """The rules that hide addresses inside the cluster."""
    return [rule for rule in host.postrouting() if rule.endswith("-j MASQUERADE") and f" ! -d {CLUSTER} " not in rule]


def answered(host: DockerHost, script: str) -> None:
    """Run *script*, and wait until dockerd has gone through all its networks because of it."""
    cursor = host.output("journalctl", "--lines=0", "--show-cursor", "--quiet").split("cursor: ")[1].strip()
    host.output("sh", "-c", script)

    def done() -> bool:
        told = host.output("journalctl", "--unit=docker.service", "--output=cat", f"--after-cursor={cursor}")
        return {"docker0", *NETWORKS} <= set(re.findall(r"Firewalld: interface (\S+) already part", told))

    assert eventually(done), f"dockerd did not answer to {script}"


def settled(host: DockerHost) -> bool:
    """Whether the host is right and stays so, for as long as Docker's last rule may still be under way."""
    return eventually(lambda: not exposed(host)) and not eventually(lambda: bool(exposed(host)), seconds=1)


def test_after_a_reload_docker_puts_its_rules_back(host: DockerHost) -> None:
    host.output("natfix", "apply")
    assert exposed(host) == []
    answered(host, RELOAD)
    assert eventually(lambda: put_back(host))
    assert host.run("natfix", "check").returncode == 1


@pytest.mark.parametrize("mode", HEARD)
def test_the_host_gets_right_after_whatever_the_mode_hears_of(pair: Pair, host: DockerHost, mode: str) -> None:
    host.output("natfix", "install", f"--{mode}")
    assert settled(host)
    for script in HEARD[mode]:
        answered(host, script)
        assert eventually(lambda: settled(host)), (script, exposed(host), host.journal("--unit=natfix-*"))
        assert pair.seen() == host.pod.address


@pytest.mark.parametrize("mode", HEARD)
def test_an_install_says_what_the_mode_does_not_hear_of(host: DockerHost, mode: str) -> None:
    told = host.output("natfix", "install", f"--{mode}", "--dry-run")
    assert (f"`{RELOAD}`" in told) == (RELOAD not in HEARD[mode])


def test_with_the_guard_no_reload_and_no_zone_that_masquerades_hides_a_pod(pair: Pair, host: DockerHost) -> None:
    pod = host.attach_pod()
    host.output(*ZONE, "--permanent", "--add-masquerade")
    try:
        answered(host, RELOAD)
        # Docker's rule is not even needed for it.
        host.output("natfix", "apply")
        assert pair.seen() == host.address
        host.output("natfix", "guard", "on")
        with stream(pod, pair.b.pod) as flow:
            for script in (RELOAD, START):
                answered(host, script)
                flow.wait_for(200)
            assert set(flow.traffic().sources) == {pod.address}
    finally:
        host.run("natfix", "guard", "off")
        host.output(*ZONE, "--permanent", "--remove-masquerade")
        answered(host, RELOAD)


@pytest.mark.parametrize("backend", ["nftables", "iptables"])
def test_a_zone_that_masquerades_is_found_and_proved_with_either_backend(pair: Pair, host: DockerHost, backend: str) -> None:
    def ask(*words: str) -> tuple[int, str]:
        done = host.run(*words)
        return done.returncode, done.stdout or done.stderr

    host.output(*ZONE, "--permanent", "--add-masquerade")
    try:
        answered(host, f"sed -i s/^FirewallBackend=.*/FirewallBackend={backend}/ {CONFIGURATION} && {START}")
        host.output("natfix", "apply")
        # Nobody can tell which of what a zone masquerades was meant, so natfix tells of it, and the guard keeps the addresses.
        assert pair.seen() == host.address
        document = json.loads(ask("natfix", "check", "--format=json")[1])
        assert "FIR001" in {each["id"] for table in document["tables"] for each in table["findings"]}
        name = f"firewalld-{host.output('firewall-cmd', '--version').strip()}"
        if backend == "nftables":
            listed(ask, name, *CIDR)
        else:
            assert "FIR001" in {id_ for id_, _ in judged(ask, f"{name}-nft", *CIDR)}
        host.output("natfix", "guard", "on")
        assert pair.seen() == host.pod.address
        host.output("natfix", "guard", "off")
    finally:
        host.output(*ZONE, "--permanent", "--remove-masquerade")
        answered(host, f"sed -i s/^FirewallBackend=.*/FirewallBackend=nftables/ {CONFIGURATION} && {START}")


def test_a_zone_can_be_told_to_masquerade_only_what_leaves_the_cluster(pair: Pair, host: DockerHost) -> None:
    rule = f"rich-rule=rule family=ipv4 destination not address={CLUSTER} masquerade"
    host.output(*ZONE, "--permanent", f"--add-{rule}")
    try:
        answered(host, RELOAD)
        assert eventually(lambda: put_back(host)), exposed(host)
        host.output("natfix", "apply")
        assert "masquerade" in host.output("nft", "list", "chain", "inet", "firewalld", "nat_POST_public_allow")
        assert pair.seen() == host.pod.address
    finally:
        host.output(*ZONE, "--permanent", f"--remove-{rule}")
        answered(host, RELOAD)


@pytest.mark.parametrize("mode", HEARD)
def test_a_reload_of_nftables_which_empties_all_does_not_take_the_guard(pair: Pair, mode: str) -> None:
    host = pair.b
    host.output("systemctl", "start", "nftables.service")
    host.restart_docker()
    try:
        host.output("natfix", "install", f"--{mode}", "--guard")
        host.output("systemctl", "reload", "nftables.service")
        assert eventually(guarded(host)), host.journal("--unit=natfix-*")
        host.restart_docker()
        assert eventually(lambda: exposed(host) == [])
    finally:
        host.run("natfix", "uninstall")
        host.output("systemctl", "stop", "nftables.service")


def guarded(host: DockerHost) -> Callable[[], bool]:
    return lambda: "table ip natfix" in host.output("nft", "list", "tables")
