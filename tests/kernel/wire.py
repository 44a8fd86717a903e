"""Raw packets out of one namespace, and their source addresses as the far end sees them."""

import contextlib
import socket
import struct
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from natfix.ruleset import Family
from tests.netns import command, enter, namespace
from tests.property.interpreter import Datagram

NUMBERS = {"tcp": 6, "udp": 17, "icmp": 1}
IPV6_HDRINCL = 36
MAGIC = b"natfix!!"
PATIENCE = 5.0
# Routes by destination, so that packets leave by either device.
DEVICES = {
    "eth0": (["192.0.2.1/24", "2001:db8:e::1/64"], ["0.0.0.0/1", "128.0.0.0/1", "::/1", "8000::/1"]),
    "docker0": (["198.51.100.1/24", "2001:db8:d::1/64"], ["10.2.0.0/16", "fd00:2::/32"]),
}


def device_to(destination: str) -> str:
    """The device that the routes choose."""
    return "docker0" if destination in {"10.2.0.1", "fd00:2::1"} else "eth0"


@dataclass
class Wire:
    """Two namespaces with two cables between them."""

    near: str
    senders: dict[Family, socket.socket]
    receiver: socket.socket

    def send(self, packets: Iterable[Datagram], expected: int) -> dict[int, str]:
        """Send packets; for the number of each that arrives, its source as the far end sees it.

        Args:
            packets: in order.
            expected: how many are waited for, some seconds at most; what comes beyond them is taken in too.
        """
        for number, packet in enumerate(packets):
            family = Family(ip_address(packet.source).version)
            sender = self.senders[family]
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, packet.mark)
            # A packet that a rule drops on its way out is refused to its sender.
            with contextlib.suppress(PermissionError):
                sender.sendto(_bytes(packet, family, number), (packet.destination, 0))
        return self._received(expected)

    def _received(self, expected: int) -> dict[int, str]:
        found: dict[int, str] = {}
        end = time.monotonic() + PATIENCE
        while True:
            try:
                data = self.receiver.recv(2048)
            except TimeoutError:
                if len(found) >= expected or time.monotonic() > end:
                    return found
            else:
                if data[-12:-4] == MAGIC:
                    found[struct.unpack("!I", data[-4:])[0]] = _source(data)


def _source(data: bytes) -> str:
    return str(ip_address(data[12:16] if data[0] >> 4 == Family.IPV4 else data[8:24]))


def _bytes(packet: Datagram, family: Family, number: int) -> bytes:
    payload = MAGIC + struct.pack("!I", number)
    ports = (packet.source_port, packet.destination_port)
    body = {
        "tcp": struct.pack("!HHIIBBHHH", *ports, number, 0, 5 << 4, 2, 512, 0, 0),
        "udp": struct.pack("!HHHH", *ports, 8 + len(payload), 0),
        "icmp": struct.pack("!BBHHH", 8, 0, 0, number, number),
    }[packet.protocol] + payload
    ends = ip_address(packet.source).packed + ip_address(packet.destination).packed
    protocol = NUMBERS[packet.protocol]
    if family is Family.IPV4:
        return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), number + 1, 0, 64, protocol, 0) + ends + body
    return struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + ends + body


@contextlib.contextmanager
def wire() -> Iterator[Wire]:
    """Make the two namespaces; both have no way out, and are gone afterwards."""
    with namespace("near") as near, namespace("far") as far:
        for device, (addresses, routes) in DEVICES.items():
            command("ip", "-n", near, "link", "add", device, "type", "veth", "peer", "name", device, "netns", far)
            # Without ARP nobody asks who has an address, and any address can be reached.
            for side in (near, far):
                command("ip", "-n", side, "link", "set", device, "arp", "off", "up")
            for address in addresses:
                command("ip", "-n", near, "address", "add", address, "dev", device, "nodad")
            for route in routes:
                command("ip", "-n", near, "route", "add", route, "dev", device)
        with enter(far):
            receiver = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(3))
            receiver.settimeout(0.03)
        with enter(near):
            # A namespace tracks connections, and so walks nat tables at all, once a rule in it asks for that.
            for program in ("iptables-legacy", "ip6tables-legacy"):
                command(program, "-t", "mangle", "-A", "FORWARD", "-m", "conntrack", "--ctstate", "NEW")
            senders = {family: _sender(family) for family in Family}
        try:
            yield Wire(near, senders, receiver)
        finally:
            for each in (receiver, *senders.values()):
                each.close()


def _sender(family: Family) -> socket.socket:
    if family is Family.IPV4:
        sender = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_HDRINCL, 1)
    else:
        sender = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
        sender.setsockopt(socket.IPPROTO_IPV6, IPV6_HDRINCL, 1)
    return sender
