"""Faults of the store, of the kernel and of people, and what a real agent makes of them on a real kernel with a real etcd."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.etcd import PREFIX
from tests.kernel.nodes import HOST_GW, VXLAN, Node, Street, street, until

pytestmark = pytest.mark.kernel("etcd", "etcdctl", "ping")


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Street]:
    with street(tmp_path, HOST_GW, 21) as made:
        for number in (22, 23, 24):
            made.lease(number)
        yield made


@pytest.fixture
def one(town: Street) -> Node:
    (node,) = town.nodes
    node.start()
    assert set(subnets(node)) == {22, 23, 24}
    return node


def subnets(node: Node) -> list[int]:
    return sorted(int(destination.split(".")[2]) for destination in node.routes())


def vtep(number: int, mac: int, address: str = "") -> dict[str, Any]:
    data = {"VNI": 1, "VtepMAC": f"0e:00:00:00:00:{mac:02x}"}
    return {"PublicIP": address or f"10.4.7.{number}", "PublicIPv6": None, "BackendType": "vxlan", "BackendData": data}


def test_etcd_stopped_and_started_again_with_its_data(town: Street, one: Node) -> None:
    town.server.stop()
    one.hears("node-store-away")
    assert subnets(one) == [22, 23, 24]
    one.ip("route", "delete", "172.7.22.0/24")
    until(lambda: subnets(one) == [22, 23, 24])
    town.server.start()
    one.hears("node-store-back")
    town.lease(25)
    until(lambda: subnets(one) == [22, 23, 24, 25], lambda: one.entries)


def test_etcd_that_answers_nothing_while_connections_stay_open(town: Street) -> None:
    (one,) = town.nodes
    one.start("--etcd-timeout", "1")
    town.server.pause()
    one.ip("route", "delete", "172.7.22.0/24")
    until(lambda: subnets(one) == [22, 23, 24])
    town.server.resume()
    town.lease(25)
    until(lambda: subnets(one) == [22, 23, 24, 25], lambda: one.entries)


def test_etcd_started_again_without_its_data(town: Street) -> None:
    (one,) = town.nodes
    one.start("--grace", "600", "--healthz-port", "2401")
    with subprocess.Popen(
        ["ip", "-n", one.netns, "monitor", "route"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as monitor:
        town.server.lose_data()
        until(lambda: list(town.leases()) == ["172.7.21.0-24"], lambda: one.entries)
        for number in (22, 23):
            town.lease(number)
        # The host that has not come back yet is waited for; no route was touched meanwhile.
        until(lambda: "natfix_node_doubtful_peers 1.0\n" in one.asks("/metrics"), lambda: one.entries)
        monitor.terminate()
        changes, _ = monitor.communicate()
    assert [line for line in changes.splitlines() if "172.7." in line] == []
    assert subnets(one) == [22, 23, 24]
    assert "this host has 172.7.21.0/24 (retaken)" in one.told("node-leased")


def test_etcd_that_forgot_what_came_in_between(town: Street, one: Node) -> None:
    town.server.stop()
    one.hears("node-store-away")
    town.server.start()
    town.server.ctl("del", f"{PREFIX}/subnets/172.7.22.0-24")
    town.lease(23, address="10.4.7.33")
    town.lease(25)
    town.server.compact()
    until(lambda: subnets(one) == [23, 24, 25], lambda: one.entries)
    until(lambda: one.routes()["172.7.23.0/24"] == "10.4.7.33 eth0")


def test_a_lease_deleted_under_the_agent_is_taken_again(town: Street, one: Node) -> None:
    town.release(21)
    until(lambda: "172.7.21.0-24" in town.leases())
    one.hears("node-leased", 2)
    assert subnets(one) == [22, 23, 24]


def test_a_subnet_that_another_host_has_by_now_ends_the_agent(town: Street, one: Node) -> None:
    town.lease(21, address="10.4.7.99")
    assert one.ended() == 3
    assert subnets(one) == [22, 23, 24]
    assert town.leases()["172.7.21.0-24"]["PublicIP"] == "10.4.7.99"
    assert "172.7.21.0/24 of this host is leased to 10.4.7.99 now" in one.told("node-stopped")[0]


def test_another_agent_with_the_same_address_is_noticed(town: Street, one: Node) -> None:
    town.lease(21)
    one.hears("node-rival")
    assert one.process is not None
    assert one.process.poll() is None


def test_routes_changed_by_hand(one: Node) -> None:
    one.ip("route", "delete", "172.7.22.0/24")
    until(lambda: subnets(one) == [22, 23, 24])
    one.ip("route", "flush", "proto", "110")
    until(lambda: subnets(one) == [22, 23, 24])
    one.ip("route", "add", "172.7.99.0/24", "via", "10.4.7.99", "proto", "static")
    one.ip("route", "add", "172.7.98.0/24", "via", "10.4.7.98", "proto", "110")
    until(lambda: subnets(one) == [22, 23, 24], one.routes)
    assert one.routes("proto", "static") == {"172.7.99.0/24": "10.4.7.99 eth0"}
    one.ip("route", "replace", "172.7.23.0/24", "via", "10.4.7.66", "proto", "110")
    until(lambda: one.routes().get("172.7.23.0/24") == "10.4.7.23 eth0", lambda: (one.routes(), one.entries))


def test_an_interface_down_and_up(one: Node) -> None:
    one.ip("link", "set", "eth0", "down")
    assert subnets(one) == []
    one.ip("link", "set", "eth0", "up")
    until(lambda: subnets(one) == [22, 23, 24], lambda: one.entries)
    assert one.told("node-moved") == []


def test_a_peers_new_address_and_hosts_gone_for_good_while_the_agent_was_down(town: Street, one: Node) -> None:
    town.lease(22, address="10.4.7.122")
    until(lambda: one.routes()["172.7.22.0/24"] == "10.4.7.122 eth0")
    assert one.stop() == 0
    town.release(23)
    one.ip("route", "add", "172.7.77.0/24", "via", "10.4.7.77", "dev", "eth0", "proto", "boot")
    one.ip("route", "replace", "172.7.22.0/24", "via", "10.4.7.22", "dev", "eth0", "proto", "boot")
    one.start()
    until(lambda: subnets(one) == [22, 24], lambda: (one.routes(), one.entries))
    assert one.routes()["172.7.22.0/24"] == "10.4.7.122 eth0"
    until(lambda: one.routes("proto", "boot") == {}, lambda: one.routes("proto", "boot"))


def test_a_tunnel_and_all_that_is_on_it(tmp_path: Path) -> None:
    with street(tmp_path, VXLAN, 21) as town:
        (one,) = town.nodes
        for number in (22, 23):
            town.lease(number, vtep(number, number))
        one.start()
        before = _tunnel(one)
        assert [len(part) for part in before[1:]] == [2, 2, 2]
        one.ip("link", "delete", "flannel.1")
        until(lambda: _tunnel(one) == before, lambda: (before, _tunnel(one), one.entries))
        one.ip("neigh", "delete", "172.7.22.0", "lladdr", "0e:00:00:00:00:16", "dev", "flannel.1")
        until(lambda: _tunnel(one) == before, lambda: (before, _tunnel(one), one.entries))
        one.inside("bridge", "fdb", "delete", "0e:00:00:00:00:17", "dev", "flannel.1")
        until(lambda: _tunnel(one) == before, lambda: (before, _tunnel(one), one.entries))
        one.ip("link", "set", "flannel.1", "down")
        until(lambda: _tunnel(one) == before, lambda: (before, _tunnel(one), one.entries))
        one.ip("link", "set", "flannel.1", "address", "0e:99:99:99:99:99")
        until(lambda: _tunnel(one) == before, lambda: (before, _tunnel(one), one.entries))
        town.lease(22, vtep(22, 0x99, "10.4.7.122"))
        until(lambda: "0e:00:00:00:00:99 10.4.7.122" in _tunnel(one)[3], lambda: (_tunnel(one), one.entries))
        assert "0e:00:00:00:00:16 10.4.7.22" not in _tunnel(one)[3]
        town.release(23)
        until(lambda: [len(part) for part in _tunnel(one)[1:]] == [1, 1, 1], lambda: _tunnel(one))


def _tunnel(node: Node) -> tuple[str, set[str], set[str], set[str]]:
    """The MAC of the tunnel's device, and its routes, neighbours and forwarding entries."""
    try:
        (device,) = (one for one in json.loads(node.ip("-json", "link", "show", "flannel.1", "up") or "[]") if one)
        neighbours = json.loads(node.ip("-json", "neigh", "show", "dev", "flannel.1", "nud", "permanent"))
        fdb = [line.split() for line in node.inside("bridge", "fdb", "show", "dev", "flannel.1").splitlines()]
    except (AssertionError, ValueError):  # It is not there, or down.
        return "", set(), set(), set()
    routes = {f"{destination} {way}" for destination, way in node.routes().items() if "flannel.1" in way}
    hops = {f"{one['dst']} {one['lladdr']}" for one in neighbours}
    return device["address"], routes, hops, {f"{words[0]} {words[2]}" for words in fdb if "dst" in words}


def test_nobody_answers_at_first_and_the_agent_waits(town: Street) -> None:
    (one,) = town.nodes
    town.server.stop()
    one.start(wait=False)
    one.hears("node-waiting")
    assert one.stop() == 0
    one.start(wait=False)
    one.hears("node-waiting")
    town.server.start()
    one.hears("node-ready")
    assert subnets(one) == [22, 23, 24]
