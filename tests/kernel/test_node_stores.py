"""The node agent on real kernels where leases live in a file, or on Kubernetes' nodes."""

import json
from pathlib import Path

import pytest

from tests.contract.kube_api import kube_api
from tests.kernel.nodes import HOST_GW, VXLAN, street, until
from tests.netns import enter

pytestmark = pytest.mark.kernel("etcd", "etcdctl", "ping")


def test_agents_follow_a_file_that_people_write(tmp_path: Path) -> None:
    path = tmp_path / "leases.json"
    hosts = {f"172.7.{number}.0-24": {"PublicIP": f"10.4.7.{number}"} for number in (21, 22)}
    path.write_text(json.dumps({"config": json.loads(HOST_GW), "subnets": hosts}))
    with street(tmp_path, HOST_GW, 21, 22) as town:
        one, two = town.nodes
        one.start("--lease-file", str(path))
        two.start("--lease-file", str(path), "--metrics-textfile", str(tmp_path / "natfix.prom"))
        assert one.routed(two)
        assert two.routed(one)
        until(lambda: one.pings("172.7.22.2"))
        assert one.natfix("lease", "reserve", "172.7.23.0/24", "--for", "10.4.7.23", "--lease-file", str(path)).returncode == 0
        until(lambda: set(one.routes()) == {two.subnet, "172.7.23.0/24"} and set(two.routes()) == {one.subnet, "172.7.23.0/24"})
        assert one.natfix("lease", "release", "172.7.23.0/24", "--lease-file", str(path)).returncode == 0
        until(lambda: one.routed(two) and two.routed(one))
        numbers = tmp_path / "natfix.prom"
        until(lambda: "\nnatfix_node_peers 1.0\n" in numbers.read_text(), numbers.read_text)
        assert "\nnatfix_node_ready 1.0\n" in numbers.read_text()
        # Nothing expires here, and no 0 says that it has.
        assert "natfix_node_lease_expiry" not in numbers.read_text()
        assert numbers.stat().st_mode & 0o777 == 0o644
        assert one.told("node-rival") == []
        assert town.leases() == {}
        assert one.stop() == 0


@pytest.mark.parametrize(("config", "through"), [(HOST_GW, ""), (VXLAN, "flannel.1")], ids=["host-gw", "vxlan"])
def test_agents_follow_the_nodes_of_kubernetes(tmp_path: Path, config: str, through: str) -> None:
    (tmp_path / "net-conf.json").write_text(config)
    with street(tmp_path, HOST_GW, 21, 22) as town, enter(town.server.namespace), kube_api(host="10.4.7.12") as api:
        one, two = town.nodes
        for node in town.nodes:
            api.put(f"hdss7-{node.number}", node.subnet)
            words = ["--kube-subnet-mgr", "--kube-api-url", api.url, "--net-config-path", str(tmp_path / "net-conf.json")]
            node.start(*words, "--node-name", f"hdss7-{node.number}")
        until(lambda: one.routed(two, through=through) and two.routed(one, through=through))
        until(lambda: one.pings("172.7.22.2"))
        written = api.node("hdss7-21")["metadata"]["annotations"]
        assert written["flannel.alpha.coreos.com/public-ip"] == "10.4.7.21"
        for _ in range(3):
            api.touch("hdss7-22")
        api.remove("hdss7-22")
        until(lambda: one.routes() == {})
        assert town.leases() == {}
        assert one.told("node-rival") == []
