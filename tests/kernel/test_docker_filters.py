"""What Docker 28 drops: natfix says of a live host what its packets meet, and the packets meet it."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from natfix.app.check import look_at_host
from natfix.app.cluster import Cluster
from natfix.app.ports import Backend, Variant
from natfix.audit import Finding
from natfix.host.catalogue import read_catalogue
from natfix.host.filtering import HostFilters
from natfix.host.iptables import open_store
from natfix.host.links import HostLinks
from natfix.ruleset import Family, parse_network
from tests.netns import command, enter, namespace

pytestmark = pytest.mark.kernel

CATALOGUE = tuple(kind for kind in read_catalogue(local="/nowhere") if kind.id.startswith("DOC"))
CLUSTER = Cluster((parse_network("172.7.0.0/16"),), "a test")
POD, PEER = "172.7.21.2", "172.7.22.2"
PORTS = (80, 443)
PATIENCE = 20.0
BACKENDS: list[Variant] = ["nft", "legacy"]

RAW = f"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d {POD}/32 ! -i docker0 -j DROP\nCOMMIT\n"
OPEN_RAW = RAW.replace("\n-A", f"\n-A PREROUTING -d {POD}/32 -i eth0 -j ACCEPT\n-A")
# As Docker 28.5 writes it, port 80 of the pod published.
FILTER = f"""\
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
:DOCKER-BRIDGE - [0:0]
:DOCKER-CT - [0:0]
:DOCKER-FORWARD - [0:0]
:DOCKER-INTERNAL - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER -d {POD}/32 ! -i docker0 -o docker0 -p udp -m udp --dport 80 -j ACCEPT
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER-BRIDGE -o docker0 -j DOCKER
-A DOCKER-CT -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -j DOCKER-INTERNAL
-A DOCKER-FORWARD -j DOCKER-BRIDGE
-A DOCKER-FORWARD -i docker0 -j ACCEPT
COMMIT
"""
BY_USER = FILTER.replace("\n-A FORWARD", "\n-A DOCKER-USER -s 172.7.0.0/16 -o docker0 -j ACCEPT\n-A FORWARD", 1)


@dataclass
class Hosts:
    """A host with a pod behind docker0, and a peer on its wire."""

    host: str
    pod: str
    peer: str

    def load(self, variant: Variant, text: str) -> None:
        with enter(self.host):
            command(f"iptables-{variant}-restore", data=text)

    def findings(self, variant: Variant) -> dict[str, Finding]:
        """What natfix finds on the host."""
        with enter(self.host):
            store = open_store(Backend(Family.IPV4, variant))
            (looked,) = look_at_host([store], [CLUSTER], HostLinks(), CATALOGUE, filters=HostFilters())
        return {finding.kind.id: finding for finding in looked.checked.findings}

    def arrived(self, *expected: int) -> list[int]:
        """The ports to which a datagram of the peer comes through; those that are expected are waited for."""
        with enter(self.pod):
            ends = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in PORTS]
            for end, port in zip(ends, PORTS, strict=True):
                end.bind((POD, port))
                end.settimeout(PATIENCE if port in expected else 0.4)
        with enter(self.peer), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((PEER, 0))
            for port in PORTS:
                sender.sendto(b"natfix", (POD, port))
        return [port for end, port in zip(ends, PORTS, strict=True) if _receives(end)]


def _receives(end: socket.socket) -> bool:
    with end:
        try:
            return end.recv(16) == b"natfix"
        except TimeoutError:
            return False


@contextmanager
def _hosts() -> Iterator[Hosts]:
    with namespace("host") as host, namespace("pod") as pod, namespace("peer") as peer:
        for words in (
            ("-n", host, "link", "add", "docker0", "type", "bridge"),
            ("-n", host, "address", "add", "172.7.21.1/24", "dev", "docker0"),
            ("-n", host, "link", "add", "veth0", "type", "veth", "peer", "name", "eth0", "netns", pod),
            ("-n", host, "link", "set", "veth0", "master", "docker0", "up"),
            ("-n", host, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", peer),
            ("-n", host, "address", "add", "10.4.7.21/24", "dev", "eth0"),
            ("-n", pod, "address", "add", f"{POD}/24", "dev", "eth0"),
            ("-n", peer, "address", "add", "10.4.7.22/24", "dev", "eth0"),
            ("-n", peer, "address", "add", f"{PEER}/32", "dev", "lo"),
            *(("-n", one, "link", "set", "eth0", "up") for one in (host, pod, peer)),
            ("-n", host, "link", "set", "docker0", "up"),
            ("-n", pod, "route", "add", "default", "via", "172.7.21.1"),
            ("-n", host, "route", "add", "172.7.22.0/24", "via", "10.4.7.22"),
            ("-n", peer, "route", "add", "172.7.21.0/24", "via", "10.4.7.21"),
        ):
            command("ip", *words)
        with enter(host):
            command("sysctl", "-qw", "net.ipv4.ip_forward=1")
        yield Hosts(host, pod, peer)


@pytest.fixture(params=BACKENDS)
def variant(request: pytest.FixtureRequest) -> Variant:
    found: Variant = request.param
    return found


@pytest.fixture
def hosts() -> Iterator[Hosts]:
    with _hosts() as made:
        yield made


def test_without_docker_all_arrives_and_nothing_is_found(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n")
    assert hosts.arrived(80, 443) == [80, 443]
    assert hosts.findings(variant) == {}


def test_both_gates_shut_are_two_findings_and_nothing_arrives(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, RAW + FILTER)
    assert hosts.arrived() == []
    found = hosts.findings(variant)
    assert {(id_, finding.certain, finding.table) for id_, finding in found.items()} == {
        ("DOC001", True, "raw"),
        ("DOC002", True, "filter"),
    }
    assert str(found["DOC001"].packet) == f"tcp {PEER}:40000 -> {POD}:80 in eth0"
    assert [rule.chain for rule in found["DOC002"].path] == ["FORWARD", "DOCKER-FORWARD", "DOCKER-BRIDGE", "DOCKER"]


def test_with_direct_routing_allowed_the_published_port_alone_is_open(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, FILTER)
    assert hosts.arrived(80) == [80]
    assert set(hosts.findings(variant)) == {"DOC002"}


def test_with_a_trusted_interface_the_filter_still_drops(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, OPEN_RAW + FILTER)
    assert hosts.arrived(80) == [80]
    assert set(hosts.findings(variant)) == {"DOC002"}


def test_with_the_cluster_in_docker_user_the_table_raw_still_drops(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, RAW + BY_USER)
    assert hosts.arrived() == []
    assert set(hosts.findings(variant)) == {"DOC001"}


def test_with_both_gates_open_all_arrives_and_nothing_is_found(hosts: Hosts, variant: Variant) -> None:
    hosts.load(variant, OPEN_RAW + BY_USER)
    assert hosts.arrived(80, 443) == [80, 443]
    assert hosts.findings(variant) == {}


def test_a_chain_that_iptables_cannot_show_makes_it_possible(hosts: Hosts) -> None:
    hosts.load("nft", FILTER)
    with enter(hosts.host):
        command("nft", "add", "rule", "ip", "filter", "DOCKER-USER", "ip", "saddr", "{ 10.9.9.1, 10.9.9.2 }", "accept")
    found = hosts.findings("nft")["DOC002"]
    assert (found.certain, found.unknown) == (False, ("-j DOCKER-USER",))


def test_a_host_with_many_chains_is_read_so_far_and_no_further(hosts: Hosts) -> None:
    chains = [f"KUBE-{number}" for number in range(60)]
    declared = "\n".join(f":{chain} - [0:0]" for chain in chains)
    jumps = "\n".join(f"-A FORWARD -j {chain}" for chain in chains)
    returns = "\n".join(f"-A {chain} -p 99 -j RETURN" for chain in chains)
    text = FILTER.replace(":DOCKER -", f"{declared}\n:DOCKER -").replace("-A FORWARD -j DOCKER-USER", f"{jumps}\n{returns}")
    hosts.load("nft", text)
    found = hosts.findings("nft")["DOC002"]
    assert not found.certain
    assert f"-j {chains[-1]}" in found.unknown
    assert f"-j {chains[0]}" not in found.unknown
