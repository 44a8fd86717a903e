"""The node agent as a unit of a real systemd: confined, ready when its routes are there, and gone without them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.conftest import Images
from tests.machine.machines.images import RELEASES
from tests.machine.machines.pair import CLUSTER, DockerHost
from tests.machine.machines.patience import eventually
from tests.machine.machines.wire import wire

pytestmark = [pytest.mark.machine("systemd-nspawn", "debootstrap", "setpriv"), pytest.mark.slow]

VXLAN = {"Type": "vxlan"}
FAR = {"PublicIP": "10.4.7.22", "BackendType": "vxlan", "BackendData": {"VNI": 1, "VtepMAC": "0e:00:00:00:00:22"}}
LEASES = {
    "config": {"Network": CLUSTER, "Backend": VXLAN},
    "subnets": {"172.7.21.0-24": {"PublicIP": "10.4.7.21"}, "172.7.22.0-24": FAR},
}


@pytest.fixture(params=RELEASES)
def host(request: pytest.FixtureRequest, images: Images, natfix_layer: Path) -> Iterator[DockerHost]:
    with wire() as cable, DockerHost("hN", 21, [natfix_layer, images(request.param)], cable) as made:
        made.prepare({}, "nft")
        made.put("/etc/natfix/natfix.toml", f'cluster-cidr = ["{CLUSTER}"]\n')
        made.put("/etc/natfix/leases.json", json.dumps(LEASES))
        made.put(
            "/etc/natfix/node.env",
            "FLANNELD_PUBLIC_IP=10.4.7.21\nFLANNELD_IP_MASQ=true\nNATFIX_LEASE_FILE=/etc/natfix/leases.json\n",
        )
        made.boot()
        yield made


def routes(host: DockerHost) -> list[str]:
    return [line.split()[0] for line in host.output("ip", "route", "show", "proto", "110").splitlines()]


def test_the_agent_runs_confined_and_is_active_when_its_routes_are_there(host: DockerHost) -> None:
    host.output("natfix", "install", "--node")
    assert host.output("systemctl", "is-active", "natfix-node.service").strip() == "active"
    assert routes(host) == ["172.7.22.0/24"]
    assert "FLANNEL_SUBNET=172.7.21.1/24" in host.output("cat", "/run/flannel/subnet.env")
    assert eventually(lambda: '-A POSTROUTING -m comment --comment "natfix masq" -j NATFIX-POSTRTG' in host.postrouting())
    host.output("ip", "link", "delete", "flannel.1")
    assert eventually(lambda: routes(host) == ["172.7.22.0/24"])
    host.output("systemctl", "kill", "--signal=KILL", "natfix-node.service")
    assert eventually(
        lambda: host.output("systemctl", "show", "-p", "NRestarts", "natfix-node.service").strip() == "NRestarts=1"
    )
    assert eventually(lambda: host.run("systemctl", "is-active", "natfix-node.service").stdout.strip() == "active")
    told = host.output("journalctl", "-u", "natfix-node.service", "-o", "cat")
    assert "node-ready" in told or "1 peer is routed to" in told
    assert "could not" not in told
    assert "somebody else" not in told
    host.output("natfix", "uninstall")
    assert routes(host) == ["172.7.22.0/24"]
