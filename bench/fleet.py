"""A thousand hosts as files of `natfix collect`: a few real ones, made and collected in network namespaces, and their likes.

    python bench/fleet.py KIND FILE     # make one host and collect it, in a namespace that goes with this process

What differs from host to host is what differs in life: name, addresses, container subnet, the names of Docker's bridges.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from dumps import make_dump
from measure import NATFIX, enter_fresh_network

CLUSTER = "172.16.0.0/12"
SUBNET, ADDRESS, BRIDGE = "172.16.21.", "10.4.7.21", "br-0123456789ab"
_HOSTS_OF_A_NETWORK = 250

_LINKS = f"""\
link add docker0 type bridge
addr add {SUBNET}1/24 dev docker0
link set docker0 up
link add eth0 type veth peer name switch
addr add {ADDRESS}/16 dev eth0
link set eth0 up
link set switch up
route add default via 10.4.255.254
route add 172.31.255.0/24 via 10.4.255.253
"""
_SECOND = f"link add {BRIDGE} type bridge\naddr add {SUBNET}129/25 dev {BRIDGE}\nlink set {BRIDGE} up\n"
_BROAD = f"-A POSTROUTING -s {SUBNET}0/24 ! -o docker0 -j MASQUERADE"
_RIGHT = f"-A POSTROUTING -s {SUBNET}0/24 ! -d {CLUSTER} ! -o docker0 -j MASQUERADE"


class Kind(NamedTuple):
    """Hosts that are alike.

    Attributes:
        hosts: how many of a thousand.
        rules: of its table nat.
        links: what it has beside docker0 and eth0.
    """

    hosts: int
    rules: Callable[[], str]
    links: str = ""


def _docker(*postrouting: str) -> str:
    """The table nat as Docker has it with one published port."""
    return "\n".join(
        [
            "*nat",
            *(f":{chain} ACCEPT [0:0]" for chain in ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING")),
            ":DOCKER - [0:0]",
            "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
            "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
            *postrouting,
            f"-A POSTROUTING -s {SUBNET}2/32 -d {SUBNET}2/32 -p tcp -m tcp --dport 80 -j MASQUERADE",
            "-A DOCKER -i docker0 -j RETURN",
            f"-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination {SUBNET}2:80",
            "COMMIT",
            "",
        ]
    )


def _node() -> str:
    """A node of Kubernetes with 300 rules, beside Docker."""
    return make_dump(300, pods=10).decode().replace("172.7.21.0/24", f"{SUBNET}0/24").replace("172.7.0.0/16", CLUSTER)


_OTHER = f"-A POSTROUTING -s {SUBNET}128/25 ! -o {BRIDGE} -j MASQUERADE"
KINDS = {
    "right": Kind(560, lambda: _docker(_RIGHT)),
    "broad": Kind(250, lambda: _docker(_BROAD)),
    "two networks": Kind(100, lambda: _docker(_RIGHT, _OTHER), _SECOND),
    "node": Kind(60, _node),
    "corrected twice": Kind(20, lambda: _docker(_RIGHT, _RIGHT)),
}
BROKEN = 10


def write_fleet(folder: Path, hosts: int = 1000) -> list[str]:
    """Write the files of *hosts* hosts, kinds mixed; a few are cut short, as by a full disk.

    Raises:
        subprocess.CalledProcessError: a host cannot be made or collected.
    """
    texts = {kind: _template(kind, folder / "template.natfix") for kind in KINDS}
    files = []
    for number, kind in enumerate(_mixed(hosts)):
        path = folder / f"web{number:04}.example.net.natfix"
        text = _another(texts[kind or "right"], number)
        path.write_text(text if kind else text[: len(text) // 2], encoding="utf-8")
        files.append(str(path))
    return files


def _mixed(hosts: int) -> Iterator[str]:
    """The kind of each host, none for a file that is cut short; a stride spreads each kind over all numbers."""
    row = [kind for kind, said in KINDS.items() for _ in range(said.hosts)] + [""] * BROKEN
    return (row[number * 619 % len(row)] for number in range(hosts))


def _template(kind: str, path: Path) -> str:
    """Make a host of *kind* and collect it."""
    subprocess.run([sys.executable, __file__, kind, str(path)], check=True)
    document = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    document["host"]["name"] = "NAME"
    return json.dumps(document, indent=2)


def _another(text: str, number: int) -> str:
    net, place = divmod(number, _HOSTS_OF_A_NETWORK)
    bridge = f"br-{hashlib.sha256(str(number).encode()).hexdigest()[:12]}"
    text = text.replace(SUBNET, f"172.{16 + net}.{place}.").replace(ADDRESS, f"10.4.{net}.{place + 1}")
    return text.replace(BRIDGE, bridge).replace('"NAME"', f'"web{number:04}.example.net"')


def _collect(kind: Kind, path: str) -> None:
    enter_fresh_network()
    subprocess.run(["ip", "-batch", "-"], input=_LINKS + kind.links, text=True, check=True)
    subprocess.run(["iptables-nft-restore"], input=kind.rules(), text=True, check=True)
    command = [*NATFIX, "collect", "--cluster-cidr", CLUSTER, "--output", path]
    done = subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
    # 1: something is missing that a namespace cannot tell; the file is written all the same.
    if done.returncode not in {0, 1}:
        sys.exit(f"natfix collect ended with {done.returncode}")


if __name__ == "__main__":
    _collect(KINDS[sys.argv[1]], sys.argv[2])
