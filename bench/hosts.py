"""Hosts to check: a bridge, an uplink and rules, in the network namespace this process is in."""

from __future__ import annotations

import subprocess
from pathlib import Path

_LINKS = """\
link add docker0 type bridge
addr add 172.7.21.1/24 dev docker0
link set docker0 up
link add eth0 type veth peer name switch
addr add 10.4.7.21/24 dev eth0
link set eth0 up
link set switch up
route add default via 10.4.7.254
route add 172.7.22.0/24 via 10.4.7.22
"""
_SMALL = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE
-A POSTROUTING -s 172.7.21.2/32 -d 172.7.21.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.7.21.2:80
COMMIT
"""


def build_links() -> None:
    """Give the namespace a bridge with a container subnet, an uplink, and a route to a peer."""
    subprocess.run(["ip", "-batch", "-"], input=_LINKS, text=True, check=True)


def load_small() -> None:
    """Load what Docker makes for one container with a published port."""
    subprocess.run(["iptables-nft-restore"], input=_SMALL, text=True, check=True)


def load(dump: Path) -> None:
    """Load *dump* with iptables-nft-restore."""
    subprocess.run(["iptables-nft-restore", str(dump)], check=True)
