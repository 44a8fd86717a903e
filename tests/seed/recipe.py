"""What the recipe has people write, and what docs/flannel-to-natfix.md has them type in its place."""

import re
from pathlib import Path

from tests.seed.place import Place, until

PAGE = Path(__file__).parents[2] / "docs/flannel-to-natfix.md"

# The sections of the page that have something to type, and how many blocks each.
TYPED = {"1.2": 2, "2.1": 1, "2.3.1": 1, "2.3.3": 3, "3.1.2": 1, "3.2.2": 1, "3.2.3": 2, "3.2.4": 1}
CERTIFICATES = ("ca.pem", "client.pem", "client-key.pem")
ENDPOINTS = "https://10.4.7.12:2379,https://10.4.7.21:2379,https://10.4.7.22:2379"

SUBNET = """\
FLANNEL_NETWORK=172.7.0.0/16
FLANNEL_SUBNET=172.7.{number}.1/24
FLANNEL_MTU={mtu}
FLANNEL_IPMASQ=false
"""

SCRIPT = """\
#!/bin/sh
./flanneld \\
  --public-ip={address} \\
  --etcd-endpoints={endpoints} \\
  --etcd-keyfile=./cert/client-key.pem \\
  --etcd-certfile=./cert/client.pem \\
  --etcd-cafile=./cert/ca.pem \\
  --iface=eth0 \\
  --subnet-file=./subnet.env \\
  --healthz-port=2401
"""

SECTION = """\
[program:flanneld]
command=sh /opt/flannel/flanneld.sh
numprocs=1
directory=/opt/flannel
autostart=true
autorestart=true
startsecs=30
startretries=3
exitcodes=0,2
stopsignal=QUIT
stopwaitsecs=10
user=root
redirect_stderr=true
stdout_logfile=/data/logs/flanneld/flanneld.stdout.log
stdout_logfile_maxbytes=64MB
stdout_logfile_backups=4
stdout_capture_maxbytes=1MB
killasgroup=true
stopasgroup=true
"""


def page(section: str, place: int = 0) -> str:
    """One block of commands out of a section of the page."""
    return _sections()[section][place]


def typed() -> dict[str, int]:
    """How many blocks there are in each section of the page that has some."""
    return {section: len(found) for section, found in _sections().items() if found}


def _sections() -> dict[str, list[str]]:
    parts = re.split(r"^## ([0-9.]+) .*$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found = (re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL) for part in parts[2::2])
    return dict(zip(parts[1::2], found, strict=True))


def prepare(host: Place, certificates: Place) -> None:
    """Do on a host what comes before its agent: the certificates, the pinned subnet, the script, supervisor's section."""
    for name in CERTIFICATES:
        host.write(f"/opt/flannel/cert/{name}", certificates.path(f"/opt/certs/{name}").read_bytes())
    host.write("/opt/flannel/subnet.env", SUBNET.format(number=host.number, mtu=1500).encode())
    host.write("/opt/flannel/flanneld.sh", SCRIPT.format(address=host.address, endpoints=ENDPOINTS).encode(), 0o744)
    host.types(page("2.3.1"))
    host.write("/etc/supervisord.d/flannel.ini", SECTION.encode())
    host.types(page("2.3.3", 1))


def start(host: Place) -> None:
    """Start its agent."""
    host.types(page("2.3.3", 0))


def log(host: Place) -> str:
    """What its agents have told so far."""
    return host.types("cat /data/logs/flanneld/flanneld.stdout.log")


def reach_each_other(*hosts: Place) -> None:
    """Wait until the agents of some hosts are ready, and each host has an answer from the container of each other one."""
    for host in hosts:
        waits(host, "curl --silent --fail 127.0.0.1:2401/readyz")
        for other in hosts:
            waits(host, f"ping -c 1 -W 1 172.7.{other.number}.2")


def waits(host: Place, line: str) -> None:
    """Wait until a shell command succeeds on a host; if it never does, show what its agent told."""
    until(lambda: host.tries(line) == 0, lambda: f"{host.name}# {line}\n{log(host)}")


def restart(host: Place) -> None:
    """Restart its agent; supervisorctl comes back when it has run for half a minute, which is not waited for."""
    host.types("supervisorctl stop flanneld && (supervisorctl start flanneld > /dev/null 2>&1 &)")


def routes(host: Place) -> list[str]:
    """The routes of the cluster, as people look at them, with single blanks; the first line is the head."""
    return [" ".join(line.split()) for line in host.types("route -n|egrep -i '172.7|des'").splitlines()]


def docker_rules(host: Place) -> list[str]:
    """The rules that decide whether a container's address is hidden, as people look at them."""
    return host.types("iptables-save |grep -i postrouting|grep docker0 || true").splitlines()
