"""Packets as bytes on an Ethernet: complete and with right checksums, or connection tracking calls them INVALID.

Sources: RFC 791, 768, 9293, 792, 8200, 4443; nf_conntrack_proto_tcp.c (a SYN opens a connection).
"""

from __future__ import annotations

import struct
from ipaddress import ip_address

from natfix.packets import Packet
from natfix.packets.packetset import PROTOCOLS

MAGIC = b"natfix-proof"
_SENDER = bytes.fromhex("020000000001")
_ETHERTYPES = {4: 0x0800, 6: 0x86DD}
_ECHO = {1: 8, 58: 128}  # ICMP and ICMPv6: echo request
_SYN = 0x02
_ETHERNET, _IPV4 = 14, 20


def frame(packet: Packet, number: int, mac: bytes) -> bytes:
    """Write *packet* as an Ethernet frame to the device *mac*; its payload says that it is the *number*-th of ours."""
    source, destination = packet.source.packed, packet.destination.packed
    protocol = PROTOCOLS.get(packet.protocol) or int(packet.protocol)
    payload = MAGIC + struct.pack("!I", number)
    version = packet.source.version
    pseudo = _pseudo(source, destination, protocol, version)
    body = _body(protocol, (packet.source_port or 0, packet.destination_port or 0), payload, pseudo)
    head = _ipv4(source, destination, protocol, len(body)) if version == 4 else _ipv6(source, destination, protocol, len(body))  # noqa: PLR2004
    return mac + _SENDER + struct.pack("!H", _ETHERTYPES[version]) + head + body


def seen_in(data: bytes) -> tuple[int, str] | None:
    """Read the number and the source address of one of our frames; None of any other."""
    place = data.find(MAGIC)
    if place < 0 or len(data) < place + len(MAGIC) + 4:
        return None
    (number,) = struct.unpack_from("!I", data, place + len(MAGIC))
    start = _ETHERNET + (12 if data[_ETHERNET] >> 4 == 4 else 8)  # noqa: PLR2004  (the version)
    size = 4 if data[_ETHERNET] >> 4 == 4 else 16  # noqa: PLR2004
    return number, str(ip_address(data[start : start + size]))


def _pseudo(source: bytes, destination: bytes, protocol: int, version: int) -> bytes:
    """What TCP, UDP and ICMPv6 sum up beside themselves, without the length."""
    return source + destination + (b"\0" + bytes([protocol]) if version == 4 else b"\0\0\0" + bytes([protocol]))  # noqa: PLR2004


def _body(protocol: int, ports: tuple[int, int], payload: bytes, pseudo: bytes) -> bytes:
    if protocol == PROTOCOLS["tcp"]:
        head = struct.pack("!HHIIBBHHH", *ports, 1, 0, 5 << 4, _SYN, 64240, 0, 0)
        return _summed(head + payload, 16, pseudo)
    if protocol in {PROTOCOLS["udp"], PROTOCOLS["udplite"]}:
        return _summed(struct.pack("!HHHH", *ports, 8 + len(payload), 0) + payload, 6, pseudo)
    if protocol in _ECHO:
        head = struct.pack("!BBHHH", _ECHO[protocol], 0, 0, 1, 1)
        return _summed(head + payload, 2, pseudo if protocol == PROTOCOLS["icmpv6"] else None)
    return payload


def _summed(data: bytes, place: int, pseudo: bytes | None) -> bytes:
    """Put the Internet checksum at *place*, over the data and, where the protocol says so, the pseudo-header."""
    before = b"" if pseudo is None else pseudo + struct.pack("!I", len(data))
    value = checksum(before + data) or 0xFFFF
    return data[:place] + struct.pack("!H", value) + data[place + 2 :]


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total > 0xFFFF:  # noqa: PLR2004  (16 bits)
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ipv4(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, _IPV4 + length, 1, 0, 64, protocol, 0) + source + destination
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:]


def _ipv6(source: bytes, destination: bytes, protocol: int, length: int) -> bytes:
    return struct.pack("!IHBB", 6 << 28, length, protocol, 64) + source + destination
