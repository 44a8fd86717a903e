"""Two nat chains of one hook and a packet for each question about them, in the network namespace this program is in.

Run by its path, not as a module, so that it starts at once; natfix.host.guard_probe runs it in a scratch namespace::

    python two_chains.py NFT
"""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from typing import Final, NamedTuple

_PORTS: Final = (4711, 4712)
LATER: Final = "127.0.0.9"
OWN: Final = "127.0.0.1"
_RULES: Final = f"""
table ip first {{
    chain early {{
        type nat hook postrouting priority 99; policy accept;
        udp dport {_PORTS[1]} snat to ip saddr
    }}
}}
table ip second {{
    chain later {{
        type nat hook postrouting priority 100; policy accept;
        udp dport {{ {_PORTS[0]}, {_PORTS[1]} }} snat to {LATER}
    }}
}}
"""
_SECONDS: Final = 2.0
# linux/sockios.h, linux/if.h
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 0x1


class Observation(NamedTuple):
    """What was seen of two chains, the later of which rewrites every packet.

    Attributes:
        refused: why the kernel did not take both; empty when it did.
        unbound: the source of a packet the first chain left alone: the later chain's address, where it was asked.
        bound: the source of a packet the first chain gave its own address: that, where the later one was not asked.
    """

    refused: str = ""
    unbound: str = ""
    bound: str = ""


def _try(nft: str) -> Observation:
    """Load both chains and send a packet by each way, in the network namespace this process is in."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        _set_up(receiver)
        done = subprocess.run([nft, "-f", "-"], input=_RULES, text=True, capture_output=True, check=False)
        if done.returncode != 0:
            return Observation(refused=done.stderr.strip().replace("\n", " ") or "without a word")
        return Observation("", *(_source_at(port) for port in _PORTS))


def _set_up(control: socket.socket) -> None:
    """Set the loopback up, as ``ip link set lo up`` does."""
    import fcntl  # noqa: PLC0415  (of use to the program alone)

    fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))


def _source_at(port: int) -> str:
    """Send a packet to *port*, and tell where it seems to come from."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        receiver.bind((OWN, port))
        receiver.settimeout(_SECONDS)
        sender.sendto(b"natfix", (OWN, port))
        try:
            return str(receiver.recvfrom(16)[1][0])
        except TimeoutError:
            return "nobody"


if __name__ == "__main__":
    sys.stdout.write("\0".join(_try(sys.argv[1])))
