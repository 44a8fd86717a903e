"""The agent's rules beside Docker's, and connections that are forgotten when a way moves."""

import json
from pathlib import Path

import pytest

from tests.kernel.nodes import DIRECT, HOST_GW, VXLAN, Node, street, until

DOCKER = ("-s", "172.7.21.0/24", "!", "-o", "docker0", "-j", "MASQUERADE")
pytestmark = pytest.mark.kernel("etcd", "etcdctl", "conntrack")


def targets(node: Node, table: str, chain: str) -> list[str]:
    lines = node.inside("iptables", "-t", table, "-S", chain).splitlines()
    return [line.rpartition(" -j ")[2].split()[0] for line in lines if line.startswith("-A")]


def test_ip_masq_keeps_addresses_beside_dockers_rule_and_comes_back_when_it_is_flushed(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21, 22) as town:
        one, two = town.nodes
        one.inside("iptables", "-t", "nat", "-A", "POSTROUTING", *DOCKER)
        one.start("--ip-masq", "--iptables-forward-rules", "--iptables-resync", "1", "--healthz-port", "2401")
        two.start("--healthz-port", "2401")
        assert "FLANNEL_IPMASQ=true" in one.subnet_file.read_text()
        until(lambda: targets(one, "nat", "POSTROUTING") == ["NATFIX-POSTRTG", "MASQUERADE"], lambda: one.entries)
        until(lambda: targets(one, "filter", "FORWARD") == ["NATFIX-CLUSTER", "NATFIX-FWD"], lambda: one.entries)
        until(lambda: one.routed(two) and two.routed(one))
        tried = json.loads(one.natfix("node", "verify", "--healthz-port", "2401", "--format", "json").stdout)
        assert [(peer["seen"], peer["witness"]) for peer in tried["peers"]] == [("172.7.21.1", "peer")]
        one.inside("iptables", "-t", "nat", "-F")
        until(lambda: targets(one, "nat", "POSTROUTING") == ["NATFIX-POSTRTG"], lambda: one.entries)
        assert one.stop() == 0
        assert targets(one, "nat", "POSTROUTING") == ["NATFIX-POSTRTG"]


def test_connections_that_carry_a_rewrite_are_forgotten_when_their_way_moves(tmp_path: Path) -> None:
    with street(tmp_path, DIRECT, 21) as town:
        (one,) = town.nodes
        data = {"VNI": 1, "VtepMAC": "0e:00:00:00:00:22"}
        far = {"PublicIP": "10.9.9.22", "PublicIPv6": None, "BackendType": "vxlan", "BackendData": data}
        one.ip("route", "add", "10.9.9.0/24", "via", "10.4.7.12")
        town.lease(22, far)
        one.start()
        until(lambda: one.routes() == {"172.7.22.0/24": "172.7.22.0 flannel.1"}, lambda: (one.routes(), one.entries))
        for destination in ("172.7.22.5", "10.4.7.12"):
            one.inside(
                *("conntrack", "-I", "-s", "172.7.21.2", "-d", destination, "-p", "udp", "--sport", "5000", "--dport", "53"),
                *("--src-nat", "172.7.21.0", "-t", "600"),
            )
        one.ip("route", "replace", "10.9.9.0/24", "dev", "eth0")
        until(lambda: one.routes() == {"172.7.22.0/24": "10.9.9.22 eth0"}, lambda: (one.routes(), one.entries))
        until(
            lambda: "dst=172.7.22.5" not in one.inside("conntrack", "-L"), lambda: (one.inside("conntrack", "-L"), one.entries)
        )
        assert "dst=10.4.7.12" in one.inside("conntrack", "-L")


def test_a_start_is_told_beforehand_and_all_that_it_made_is_taken_away_afterwards(tmp_path: Path) -> None:
    with street(tmp_path, VXLAN, 21) as town:
        (one,) = town.nodes
        data = {"VNI": 1, "VtepMAC": "0e:00:00:00:00:22"}
        town.lease(22, {"PublicIP": "10.4.7.22", "PublicIPv6": None, "BackendType": "vxlan", "BackendData": data})
        options = ("--iface", "eth0", "--subnet-file", str(one.subnet_file))
        planned = one.natfix("node", "run", "--dry-run", *options)
        assert planned.returncode == 0, planned
        assert "+172.7.21.0/24 for 10.4.7.21 (address), over eth0" in planned.stdout
        assert "+route 172.7.22.0/24 via 172.7.22.0 dev flannel.1 onlink" in planned.stdout
        assert list(town.leases()) == ["172.7.22.0-24"]
        assert not one.subnet_file.exists()
        one.start("--ip-masq", "--iptables-forward-rules")
        until(lambda: targets(one, "filter", "FORWARD") == ["NATFIX-CLUSTER", "NATFIX-FWD"], lambda: one.entries)
        assert one.stop() == 0
        assert one.natfix("node", "clear", "--dry-run").returncode == 0
        assert one.routes() != {}
        cleared = one.natfix("node", "clear")
        assert cleared.returncode == 0, cleared
        assert one.routes() == {}
        assert "flannel.1" not in one.ip("link", "show")
        assert targets(one, "nat", "POSTROUTING") == targets(one, "filter", "FORWARD") == []
        assert list(town.leases()) == ["172.7.22.0-24"]
        assert one.natfix("node", "clear").stdout.endswith("nothing to do\n")
