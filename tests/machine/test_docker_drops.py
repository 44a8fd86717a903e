"""Docker 28 as it comes: what it drops between hosts, natfix's word for it, Docker's own ways out, and natfix advise."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.machine.conftest import DockerPairs
from tests.machine.machines.pair import CLUSTER, DockerHost, Pair
from tests.machine.machines.pod import NO_ANSWER

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

DAEMON_JSON = "/etc/docker/daemon.json"
ACCEPT = ("DOCKER-USER", "-i", "eth0", "-o", "docker0", "-j", "ACCEPT")
DRIVER = "com.docker.network.bridge"


@pytest.fixture(scope="module")
def pair(docker_pairs: DockerPairs) -> Iterator[Pair]:
    """Two hosts with Docker 28.5, of which hB refuses what is routed to its containers, as it does by itself."""
    with docker_pairs("sid") as made:
        configure(made.b, {"bip": made.b.bridge})
        made.b.output("iptables", "-D", *ACCEPT)
        yield made


def configure(host: DockerHost, settings: dict[str, Any]) -> None:
    host.put(DAEMON_JSON, json.dumps(settings))
    host.restart_docker()
    host.pod.wait()


def natfix(host: DockerHost, *words: str, code: int = 0) -> dict[str, Any]:
    done = host.run("natfix", *words, "--cluster-cidr", CLUSTER, "--format", "json")
    assert done.returncode == code, done.stdout + done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def drops(host: DockerHost) -> dict[str, bool]:
    """What natfix finds of Docker's drops, and whether it is sure."""
    (table, *_) = [each for each in natfix(host, "check", code=1)["tables"] if each["family"] == "ipv4"]
    return {each["id"]: each["certain"] for each in table["findings"] if each["id"].startswith("DOC")}


def test_docker_28_drops_what_comes_from_other_hosts_and_natfix_says_so(pair: Pair) -> None:
    assert pair.seen() == NO_ANSWER
    assert drops(pair.b) == {"DOC001": True, "DOC002": True}


def test_direct_routing_alone_opens_no_port_that_is_not_published(pair: Pair) -> None:
    configure(pair.b, {"bip": pair.b.bridge, "allow-direct-routing": True})
    assert pair.seen() == NO_ANSWER
    assert drops(pair.b) == {"DOC002": True}


def test_with_docker_user_as_well_all_arrives_and_natfix_is_silent(pair: Pair) -> None:
    configure(pair.b, {"bip": pair.b.bridge, "allow-direct-routing": True})
    pair.b.output("iptables", "-I", *ACCEPT)
    try:
        assert pair.seen() == pair.a.address
        assert drops(pair.b) == {}
    finally:
        pair.b.output("iptables", "-D", *ACCEPT)


def test_the_switch_is_written_checked_by_dockerd_and_undone(pair: Pair) -> None:
    pair.b.output("docker", "network", "create", "--subnet", "172.7.122.0/24", "-o", f"{DRIVER}.name=br-mine", "mine")
    configure(pair.b, {"bip": pair.b.bridge})
    before = pair.b.output("cat", DAEMON_JSON)
    pair.b.put("/run/flannel/subnet.env", f"FLANNEL_NETWORK={CLUSTER}\nFLANNEL_IPMASQ=true\n")
    told = natfix(pair.b, "advise")
    assert (told["verdict"], told["obstacle"]) == ("docker", None)
    networks = {each["bridge"]: each for each in told["networks"]}
    assert networks["docker0"]["dropped"] == ["filter", "raw"]
    assert (networks["br-mine"]["name"], networks["docker0"]["name"]) == ("mine", "bridge")

    written = natfix(pair.b, "advise", "--write")
    assert (written["done"], written["notes"]) == (True, [])
    pair.b.restart_docker()
    for command in networks["docker0"]["once"]:
        pair.b.run("sh", "-c", command)
    pair.b.restart_docker()
    assert pair.b.broad not in pair.b.postrouting()

    # The network is made again as natfix says, and has no rule any more.
    for command in networks["br-mine"]["cure"]:
        pair.b.output("sh", "-c", command)
    assert not any("172.7.122.0/24" in rule for rule in pair.b.postrouting())
    assert f'"{DRIVER}.name": "br-mine"' in pair.b.output("docker", "network", "inspect", "mine")

    pair.b.output("natfix", "undo")
    assert pair.b.output("cat", DAEMON_JSON) == before


def test_a_file_that_dockerd_refuses_is_not_written(pair: Pair) -> None:
    text = json.dumps({"bip": pair.b.bridge, "no-such-option": 1})
    pair.b.put(DAEMON_JSON, text)
    try:
        done = pair.b.run("natfix", "advise", "--write", "--insist", "--cluster-cidr", CLUSTER)
        assert done.returncode == 2, done.stdout
        assert "no-such-option" in done.stderr
        assert pair.b.output("cat", DAEMON_JSON) == text
    finally:
        pair.b.put(DAEMON_JSON, json.dumps({"bip": pair.b.bridge}))
