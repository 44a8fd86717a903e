"""The node agent in flanneld's place under a real supervisord, with the options that flanneld's section usually has."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from natfix.app.unit_files import supervised
from tests.kernel.nodes import HOST_GW, NATFIX, Node, street, until

pytestmark = pytest.mark.kernel("etcd", "etcdctl", "supervisord", "supervisorctl")

FLANNELS = """\
[program:flanneld]
command={command}
numprocs=1
directory={folder}
autostart=true
autorestart=true
startsecs=30
startretries=3
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=10
user=root
redirect_stderr=true
stdout_logfile={folder}/flanneld.stdout.log
stdout_logfile_maxbytes=64MB
stdout_logfile_backups=4
stdout_capture_maxbytes=1MB
killasgroup=true
stopasgroup=true
"""
DAEMON = """\
[unix_http_server]
file={folder}/sock
[supervisord]
logfile={folder}/log
pidfile={folder}/pid
nodaemon=true
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://{folder}/sock
"""
SCRIPT = """\
#!/bin/sh
exec {natfix} node run \\
  --public-ip={address} \\
  --etcd-endpoints={etcd} \\
  --iface=eth0 \\
  --subnet-file=./subnet.env \\
  --healthz-port=2401
"""


class Supervisor:
    """A supervisord on a host."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.configuration = node.folder / "supervisord.conf"

    def control(self, *words: str) -> str:
        done = subprocess.run(
            ["supervisorctl", "-c", str(self.configuration), *words], check=False, capture_output=True, text=True, timeout=60
        )
        return done.stdout + done.stderr


@contextmanager
def supervising(node: Node, section: str) -> Iterator[Supervisor]:
    node.folder.mkdir(exist_ok=True)
    made = Supervisor(node)
    made.configuration.write_text(DAEMON.format(folder=node.folder) + section)
    command = ["nsenter", f"--net=/run/netns/{node.netns}", "supervisord", "-c", str(made.configuration)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield made
        finally:
            process.terminate()
            process.wait(60)


def test_it_takes_flannelds_place_in_flannelds_section(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21) as town:
        (one,) = town.nodes
        town.lease(22)
        one.folder.mkdir()
        script = one.folder / "flanneld.sh"
        script.write_text(SCRIPT.format(natfix=" ".join(NATFIX), address=one.address, etcd=town.server.url))
        one.subnet_file.write_text("FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.33.1/24\nFLANNEL_MTU=1500\n")
        with supervising(one, FLANNELS.format(command=f"sh {script}", folder=one.folder)) as supervisor:
            until(lambda: one.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}, lambda: supervisor.control("status"))
            assert "172.7.33.0-24" in town.leases()
            assert supervisor.control("stop", "flanneld") == "flanneld: stopped\n"
            assert "STOPPED" in supervisor.control("status")
        assert one.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}
        assert "told to end" in (one.folder / "flanneld.stdout.log").read_text()


def test_natfixs_own_section_starts_an_agent_that_lost_its_subnet_again(tmp_path: Path) -> None:
    with street(tmp_path, HOST_GW, 21) as town:
        (one,) = town.nodes
        town.lease(22)
        packaged = Path(__file__).parents[2] / "supervisor" / "natfix-node.ini"
        section = supervised(packaged.read_text(), NATFIX).replace("/var/log/", f"{one.folder}/")
        with supervising(one, f"{section}environment=FLANNELD_SUBNET_FILE={one.subnet_file}\n") as supervisor:
            until(lambda: one.routes() == {"172.7.22.0/24": "10.4.7.22 eth0"}, lambda: supervisor.control("status"))
            town.lease(21, address="10.4.7.99")
            # It ends with code 3, is started again, and takes another subnet, as this one is another host's.
            until(lambda: sum(lease["PublicIP"] == one.address for lease in town.leases().values()) == 1)
            assert town.leases()["172.7.21.0-24"]["PublicIP"] == "10.4.7.99"
