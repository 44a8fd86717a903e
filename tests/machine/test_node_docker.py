"""The node agent and a real dockerd: its bridge gets the leased subnet, its rule is corrected, once."""

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from natfix.host.lab.dockerd import link_iptables
from tests.kernel.hosts import Host, own_host
from tests.kernel.nodes import until

pytestmark = pytest.mark.machine

LEASES = {
    "config": {"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}},
    "subnets": {"172.7.21.0-24": {"PublicIP": "10.4.7.21"}, "172.7.22.0-24": {"PublicIP": "10.4.7.22"}},
}
# As `systemctl restart docker` does it: it returns when Docker answers.
RESTART = """#!/bin/sh
set -e
echo restarted >> /run/restarts
if [ -e /run/dockerd.pid ]; then
    old=$(cat /run/dockerd.pid)
    kill $old
    while [ -e /proc/$old ]; do sleep 0.1; done
fi
PATH=/run/programs:$PATH setsid dockerd -H unix:///var/run/docker.sock --data-root /run/data --exec-root /run/exec \
    --pidfile /run/dockerd.pid --storage-driver vfs --exec-opt native.cgroupdriver=cgroupfs \
    > /run/dockerd.log 2>&1 < /dev/null &
for _ in $(seq 600); do
    docker version > /dev/null 2>&1 && exit 0
    sleep 0.1
done
tail -n 20 /run/dockerd.log
exit 1
"""
AGENT = (
    *(sys.executable, "-m", "natfix", "node", "run", "--iface", "eth0", "--lease-file", "/run/leases.json"),
    *("--no-iptables-forward-rules", "--docker", "--docker-restart", "/run/restart"),
)
CORRECTED = "-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with own_host() as made:
        for words in ("link add eth0 type veth peer name far", "address add 10.4.7.21/24 dev eth0", "link set far up"):
            made.run("ip", *words.split())
        made.run("ip", "link", "set", "eth0", "up")
        made.run("rm", "-rf", "/etc/docker")
        link_iptables(tmp_path / "programs", "nft")
        made.run("cp", "-a", str(tmp_path / "programs"), "/run/programs")
        made.write("/run/leases.json", json.dumps(LEASES).encode())
        made.write("/run/restart", RESTART.encode(), 0o755)
        # Its processes and all they wrote end with the host.
        yield made


def agent_until(host: Host, what: str) -> list[dict[str, str]]:
    """Run the agent until it has told something; all it told."""
    told: list[dict[str, str]] = []
    command = host.words("sh", "-c", f"echo $$ > /run/agent.pid; exec {shlex.join(AGENT)}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as agent:
        assert agent.stdout
        try:
            for line in agent.stdout:
                told.append(json.loads(line))
                if told[-1]["event"] == what:
                    break
        finally:
            host.run("sh", "-c", "kill -QUIT $(cat /run/agent.pid)")
        assert agent.wait(60) == 0
    return told


def test_docker_gets_the_subnet_and_its_rule_is_corrected_once(host: Host) -> None:
    told = agent_until(host, "node-did")
    said = told[-1]["message"]
    assert said.startswith("/etc/docker/daemon.json was written (natfix undo "), told
    assert "; Docker was restarted; its rule was corrected (natfix undo " in said
    assert json.loads(host.path("/etc/docker/daemon.json").read_bytes()) == {"bip": "172.7.21.1/24", "mtu": 1500}
    (bridge,) = json.loads(host.run("ip", "-json", "address", "show", "docker0"))
    assert [(one["local"], one["prefixlen"]) for one in bridge["addr_info"] if one["family"] == "inet"] == [("172.7.21.1", 24)]
    rules = [line for line in host.run("iptables-nft", "-t", "nat", "-S", "POSTROUTING").splitlines() if "docker0" in line]
    assert rules == [CORRECTED]
    assert "node-rival" not in {entry["event"] for entry in agent_until(host, "node-ready")}
    until(lambda: host.path("/run/restarts").read_text() == "restarted\n")
    assert host.natfix("history").count("done") == 2
