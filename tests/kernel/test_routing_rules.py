"""natfix/routing/rules.py on real tables: every iptables takes the rules, shows them as they are written, and packets agree."""

from __future__ import annotations

import pytest

from natfix.app.ports import Backend
from natfix.routing.rules import OwnChain, forward_rules, masquerade_rules, removal_script, settle_script
from natfix.ruleset import Family, Table, parse, parse_network
from tests.kernel.hosts import Host, backends
from tests.kernel.pods import WORLD, Site, site

__all__ = ["site"]

pytestmark = pytest.mark.kernel

NETWORK = {Family.IPV4: "172.7.0.0/16", Family.IPV6: "fd07::/16"}
SUBNET = {Family.IPV4: "172.7.21.0/24", Family.IPV6: "fd07:21::/64"}
DOCKER_FILTER = (
    "*filter\n:DOCKER-USER - [0:0]\n:DOCKER-FORWARD - [0:0]\n-A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-FORWARD\nCOMMIT\n"
)


def wanted(family: Family) -> tuple[OwnChain, ...]:
    network, subnet = parse_network(NETWORK[family]), parse_network(SUBNET[family])
    return (masquerade_rules(network, subnet), *forward_rules(network))


def tables(host: Host, backend: Backend) -> tuple[Table, ...]:
    return parse(host.saved(backend).encode(), str(backend), backend.family).tables


def settle(host: Host, backend: Backend) -> int:
    """Settle every table; tell how many there were to settle."""
    scripts = [script for table in tables(host, backend) if (script := settle_script(wanted(backend.family), table))]
    for script in scripts:
        host.run(f"{backend}-restore", "--noflush", data=script)
    return len(scripts)


@pytest.mark.parametrize("backend", backends(), ids=str)
def test_the_address_of_a_pod_is_seen_in_the_cluster_beside_docker_s_rule(site: Site, backend: Backend) -> None:
    host, world = site.host, WORLD[backend.family]
    site.docker(backend)
    host.load(backend, f"-A POSTROUTING -s {world.pod} -d {world.pod} -p tcp -m tcp --dport 80 -j MASQUERADE")
    host.load(backend, f"-A PREROUTING -d {world.service} -p tcp -m tcp --dport 80 -j DNAT --to-destination {world.pod}")
    host.run(f"{backend}-restore", "--noflush", data=DOCKER_FILTER)
    before = host.saved(backend)
    assert site.seen("pod", world.remote) == world.node

    assert settle(host, backend) == 2
    assert site.seen("pod", world.remote) == world.pod
    assert site.seen("pod", world.outside) == world.node
    assert site.seen("far", world.pod) != "no answer"
    # A container that speaks to itself through a published port stays Docker's business.
    assert site.seen("pod", world.service) == world.gateway
    assert settle(host, backend) == 0

    # Docker puts its rule before all others when it starts again.
    site.docker(backend, "-D")
    site.docker(backend)
    assert site.seen("pod", world.remote) == world.node
    assert settle(host, backend) == 1
    assert site.seen("pod", world.remote) == world.pod
    assert settle(host, backend) == 0

    for table in tables(host, backend):
        script = removal_script(wanted(backend.family), table)
        assert script
        host.run(f"{backend}-restore", "--noflush", data=script)
    assert host.saved(backend) == before
