"""natfix/app/docker_networks.py: Docker's networks inside the cluster, and the commands that end what hides them."""

from collections.abc import Mapping, Sequence
from ipaddress import ip_interface

from natfix.app.check import look_at_host
from natfix.app.daemon import Daemon
from natfix.app.docker_networks import network_advice
from natfix.app.docker_ports import DockerNetwork
from natfix.app.ports import Interface
from natfix.host.memory.filtering import MemoryFilters
from natfix.report.advice import NetworkAdvice
from tests.unit.app.twins import BROAD, CATALOGUE, CLUSTER4, DOCKER0, ETH0, NFT4, host

BRIDGE = "br-0a1b2c3d4e5f"
MINE = Interface(BRIDGE, "bridge", (ip_interface("172.7.121.1/24"),))
OTHER = Interface("virbr0", "bridge", (ip_interface("172.7.99.1/24"),))
BROAD_MINE = f"-s 172.7.121.0/24 ! -o {BRIDGE} -j MASQUERADE"
KNOWN = DockerNetwork(
    "my net",
    BRIDGE,
    (("172.7.121.0/24", "172.7.121.1"), ("fd07:121::/64", "")),
    {"com.docker.network.driver.mtu": "1450", "com.docker.network.bridge.enable_ip_masquerade": "true"},
    ipv6=True,
)
DROPS = f"""\
*raw
:PREROUTING ACCEPT [0:0]
-A PREROUTING -d 172.7.21.2/32 ! -i docker0 -j DROP
COMMIT
*filter
:FORWARD DROP [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER
-A DOCKER ! -i docker0 -o docker0 -j DROP
-A DOCKER ! -i {BRIDGE} -o {BRIDGE} -j DROP
COMMIT
"""


def networks(
    *interfaces: Interface,
    rules: Sequence[str] = (BROAD, BROAD_MINE),
    daemon: Daemon | None = None,
    known: Mapping[str, DockerNetwork] | None = None,
    filtering: str = "",
) -> list[NetworkAdvice]:
    on = host(*rules)
    on.interfaces = (*interfaces, ETH0)
    filters = MemoryFilters({NFT4: filtering})
    looked = look_at_host(on.machine.stores, [CLUSTER4], on.machine.links, CATALOGUE, filters=filters)
    return list(network_advice(looked, daemon or Daemon(), known or {}))


def test_the_default_network_comes_first_and_bridges_of_others_do_not_count() -> None:
    found = networks(MINE, OTHER, DOCKER0)
    assert [(each.bridge, each.hidden) for each in found] == [("docker0", True), (BRIDGE, True)]


def test_a_bridge_of_another_name_counts_when_docker_says_it_is_its_own() -> None:
    assert [each.bridge for each in networks(OTHER, known={"virbr0": DockerNetwork("v", "virbr0")})] == ["virbr0"]
    assert [each.bridge for each in networks(OTHER, daemon=Daemon(options={"bridge": "virbr0"}))] == ["virbr0"]


def test_a_network_that_docker_tells_of_is_made_again_as_it_was_but_for_the_masquerade() -> None:
    (network,) = networks(MINE, known={BRIDGE: KNOWN})
    assert (network.name, network.once, network.passage) == ("my net", (), ())
    removed, made = network.cure
    assert removed == "docker network rm 'my net'"
    assert made == (
        "docker network create --driver bridge --subnet 172.7.121.0/24 --gateway 172.7.121.1 --subnet fd07:121::/64 --ipv6"
        " -o com.docker.network.driver.mtu=1450 -o com.docker.network.bridge.enable_ip_masquerade=false 'my net'"
    )


def test_an_internal_network_stays_internal() -> None:
    (network,) = networks(MINE, known={BRIDGE: DockerNetwork("n", BRIDGE, internal=True)})
    assert " --internal " in network.cure[-1]


def test_a_network_without_a_name_is_named_by_the_reader() -> None:
    (network,) = networks(MINE)
    assert network.cure == (
        "docker network inspect 0a1b2c3d4e5f",
        "docker network rm NAME; docker network create -o com.docker.network.bridge.enable_ip_masquerade=false … NAME",
    )


def test_what_docker_drops_is_told_with_the_ways_out() -> None:
    default, mine = networks(DOCKER0, MINE, known={BRIDGE: KNOWN}, filtering=DROPS)
    assert (default.dropped, mine.dropped) == (("filter", "raw"), ("filter",))
    assert default.passage == (
        'in /etc/docker/daemon.json: "allow-direct-routing": true (Docker 28.2 and later); then: systemctl restart docker',
        "iptables-nft -I DOCKER-USER -s 172.7.0.0/16 -o docker0 -j ACCEPT",
    )
    assert "-o com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected" in mine.cure[-1]
