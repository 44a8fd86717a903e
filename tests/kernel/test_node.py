"""The node agent on real kernels with a real etcd: routes, tunnels, pings across, and an end that leaves everything."""

import json
from pathlib import Path

import pytest

from tests.etcd import PREFIX
from tests.kernel.nodes import DIRECT, HOST_GW, VXLAN, street, until

DOCKER = ("-s", "172.7.21.0/24", "!", "-o", "docker0", "-j", "MASQUERADE")
pytestmark = pytest.mark.kernel("etcd", "etcdctl", "ping")


def test_two_hosts_reach_each_others_pods_and_an_end_leaves_everything(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21, 22) as town:
        one, two = town.nodes
        one.start("--public-ip", "10.4.7.21")
        two.start("--public-ip", "10.4.7.22")
        until(lambda: one.routed(two) and two.routed(one), lambda: (one.routes(), one.entries, two.routes(), two.entries))
        until(lambda: one.pings("172.7.22.2") and two.pings("172.7.21.2"))
        assert one.subnet_file.read_text() == (
            "FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n"
        )
        assert town.leases()["172.7.21.0-24"] == {"PublicIP": "10.4.7.21", "PublicIPv6": None, "BackendType": "host-gw"}
        before = town.leases()
        assert one.stop() == 0
        assert one.routed(two)
        assert town.leases() == before


@pytest.mark.parametrize(("config", "through"), [(VXLAN, "flannel.1"), (DIRECT, "")], ids=["vxlan", "direct"])
def test_a_tunnel_carries_pods_packets_and_direct_routing_does_without(tmp_path: Path, config: str, through: str) -> None:
    with street(tmp_path, config, 21, 22) as town:
        one, two = town.nodes
        one.start()
        two.start()
        until(
            lambda: one.routed(two, through=through) and two.routed(one, through=through), lambda: (one.routes(), one.entries)
        )
        until(lambda: one.pings("172.7.22.2") and two.pings("172.7.21.2"))
        (device,) = json.loads(one.ip("-json", "-details", "link", "show", "flannel.1"))
        assert town.leases()["172.7.21.0-24"]["BackendData"] == {"VNI": 1, "VtepMAC": device["address"]}
        assert "FLANNEL_MTU=1450" in one.subnet_file.read_text()


def test_a_third_host_joins_and_leaves_two_others(tmp_path: Path) -> None:
    with street(tmp_path, VXLAN, 21, 22, 23) as town:
        one, two, three = town.nodes
        one.start()
        two.start()
        until(lambda: one.routed(two, through="flannel.1") and two.routed(one, through="flannel.1"))
        three.start()
        until(lambda: one.routed(two, three, through="flannel.1") and two.routed(one, three, through="flannel.1"))
        until(lambda: one.pings("172.7.23.2") and two.pings("172.7.23.2") and three.pings("172.7.21.2"))
        assert three.stop() == 0
        assert three.natfix("node", "clear").returncode == 0
        until(lambda: one.routed(two, through="flannel.1") and two.routed(one, through="flannel.1"), lambda: one.entries)
        assert one.told("node-repaired") == two.told("node-repaired") == []


@pytest.mark.parametrize("backend", ["host-gw", "vxlan"])
def test_both_families_are_routed_and_tunnelled(tmp_path: Path, backend: str) -> None:
    config = {"Network": "172.7.0.0/16", "EnableIPv6": True, "IPv6Network": "fd00:7::/48", "Backend": {"Type": backend}}
    with street(tmp_path, json.dumps(config), 21, 22) as town:
        one, two = town.nodes
        for node in town.nodes:
            node.ip("address", "add", f"fd10::{node.number}/64", "dev", "eth0", "nodad")
            node.inside("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
            node.start()
        until(lambda: len(one.routes("proto", "110")) == len(two.routes("proto", "110")) == 1, lambda: one.entries)
        keys = {key.partition("-")[0]: key.partition("&")[2].replace("-", "/") for key in town.leases()}
        for node, other in ((one, two), (two, one)):
            network = keys[f"172.7.{other.number}.0"]
            found = json.loads(node.ip("-6", "-json", "route", "show", "proto", "110"))
            way = f"fd10::{other.number} eth0" if backend == "host-gw" else f"{network.partition('/')[0]} flannel-v6.1"
            assert [(route["dst"], f"{route['gateway']} {route['dev']}") for route in found] == [(network, way)]
            node.ip("address", "add", f"{keys[f'172.7.{node.number}.0'].replace('::/', '::1/')}", "dev", "docker0", "nodad")
        until(lambda: one.pings(keys["172.7.22.0"].replace("::/64", "::1")), lambda: one.ip("-6", "route"))
        until(lambda: one.pings("172.7.22.2"))


def test_routes_and_peers_are_shown_checked_and_tried(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21, 22) as town:
        one, two = town.nodes
        one.start("--healthz-port", "2401")
        two.start("--healthz-port", "2401")
        until(lambda: one.routed(two) and two.routed(one))
        checked = one.natfix("routes", "check")
        assert (checked.returncode, checked.stderr) == (0, "")
        assert "right        172.7.22.0/24  10.4.7.22" in checked.stdout
        tried = one.natfix("node", "verify", "--healthz-port", "2401")
        assert tried.returncode == 0, tried
        assert "seen as 172.7.21.1 (the peer says)" in tried.stdout
        one.inside("iptables", "-t", "nat", "-A", "POSTROUTING", *DOCKER)
        hidden = json.loads(one.natfix("node", "verify", "--healthz-port", "2401", "--format", "json").stdout)
        (peer,) = hidden["peers"]
        assert (hidden["right"], peer["seen"], peer["witness"], peer["wanted"]) == (False, "10.4.7.21", "peer", "172.7.21.1")
        alone = json.loads(one.natfix("node", "verify", "--format", "json").stdout)
        assert [(each["seen"], each["witness"]) for each in alone["peers"]] == [("10.4.7.21", "conntrack")]
        assert one.stop() == 0
        one.ip("route", "delete", "172.7.22.0/24")
        drift = one.natfix("routes", "check", "--format", "json")
        assert drift.returncode == 1
        assert [(each["subnet"], each["verdict"]) for each in json.loads(drift.stdout)["peers"]] == [
            ("172.7.22.0/24", "missing")
        ]
        assert one.natfix("routes").returncode == 0
        lost = one.natfix("node", "verify")
        assert (lost.returncode, "no answer from 172.7.22.1" in lost.stdout) == (1, True)


def test_after_a_change_to_host_gw_the_tunnel_that_flannel_left_is_taken_away_and_its_route_taken_over(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21) as town:
        (one,) = town.nodes
        town.lease(22)
        for number, address in ((1, "172.7.21.0/32"), (7, "192.0.2.1/32")):
            link = f"flannel.{number}"
            one.ip("link", "add", link, "type", "vxlan", "id", str(number), "dev", "eth0", "dstport", str(8472 + number))
            one.ip("address", "add", address, "dev", link)
            one.ip("link", "set", link, "up")
        one.ip("route", "add", "172.7.22.0/24", "via", "172.7.22.0", "dev", "flannel.1", "onlink", "proto", "boot")
        one.start()
        assert one.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}
        until(lambda: "flannel.1:" not in one.ip("link"), lambda: (one.ip("link"), one.entries))
        assert "flannel.7:" in one.ip("link")
        assert one.routes("root", "172.7.0.0/16", "table", "main") == {
            "172.7.21.0/24": "link docker0",
            "172.7.22.0/24": "10.4.7.22 eth0",
        }


def test_health_is_told_as_flannel_tells_it(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21) as town:
        (one,) = town.nodes
        town.server.stop()
        one.start("--healthz-port", "2401", wait=False)
        until(lambda: one.asks("/readyz") == "503 not ready: no lease yet\n", lambda: one.entries)
        assert one.asks("/healthz") == "200 natfix is running\n"
        town.server.start()
        until(lambda: one.asks("/readyz") == "200 natfix is ready\n", lambda: one.entries)
        assert "natfix_node_store_up 1.0\n" in one.asks("/metrics")


def test_a_host_beside_the_flannel_of_2019_leases_in_etcds_v2_store(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21) as town:
        (one,) = town.nodes
        town.server.ctl("del", "--prefix", PREFIX)
        town.server.ctl_v2("set", f"{PREFIX}/config", HOST_GW)
        town.server.ctl_v2("set", f"{PREFIX}/subnets/172.7.22.0-24", '{"PublicIP":"10.4.7.22","BackendType":"host-gw"}')
        one.start()
        until(lambda: one.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}, lambda: one.entries)
        told = json.loads(town.server.ctl_v2("get", f"{PREFIX}/subnets/172.7.21.0-24"))
        assert (told["PublicIP"], told["BackendType"]) == ("10.4.7.21", "host-gw")
        town.server.ctl_v2("rm", f"{PREFIX}/subnets/172.7.22.0-24")
        until(lambda: one.routes() == {}, lambda: one.entries)
        town.server.ctl_v2("rm", f"{PREFIX}/subnets/172.7.21.0-24")
        one.hears("node-leased", 2)
