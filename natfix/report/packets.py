"""Sets of packets in words: as networks, ports and names, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import summarize_address_range
from typing import Any, Final

from natfix.packets import Intervals, Names, PacketSet
from natfix.packets.bits import ALL_BITS, Bits
from natfix.packets.packetset import PROTOCOL_NAMES, address
from natfix.ruleset import Family

_MOST: Final = 4
_EVERY_NAME: Final = Names()
_NO_NAME: Final = Names("")
_WORDS: Final = {"source_type": "source is", "destination_type": "destination is", "state": "state"}


def described(packets: PacketSet, beside: PacketSet | None = None) -> str:
    """Say which packets are in a set.

    Args:
        packets: the set.
        beside: what the reader knows already: only what is narrower than there is said; "all of them" when nothing is.
    """
    if beside is None:
        return " ".join(_whole(packets))
    words = [text for name, text in _fields(packets) if getattr(packets, name) != getattr(beside, name)]
    return ", ".join(words) or "all of them"


def _whole(packets: PacketSet) -> Iterator[str]:
    family = packets.family
    yield protocols(packets.protocol)
    yield _end(packets.source, packets.source_port, family)
    yield "->"
    yield _end(packets.destination, packets.destination_port, family)
    if packets.in_interface not in {None, _EVERY_NAME, _NO_NAME}:
        yield f"in {names(packets.in_interface)}"
    if packets.out_interface != _EVERY_NAME:
        yield f"out {names(packets.out_interface)}"
    if packets.mark != Bits():
        yield f"mark {marks(packets.mark)}"


def _fields(packets: PacketSet) -> Iterator[tuple[str, str]]:
    family = packets.family
    yield "source", f"from {networks(packets.source, family)}"
    yield "destination", f"to {networks(packets.destination, family)}"
    yield "in_interface", f"in {names(packets.in_interface)}"
    yield "out_interface", f"out {names(packets.out_interface)}"
    yield "protocol", protocols(packets.protocol)
    yield "source_port", f"from port {ranges(packets.source_port)}"
    yield "destination_port", f"to port {ranges(packets.destination_port)}"
    yield "mark", f"mark {marks(packets.mark)}"
    for name, words in _WORDS.items():
        yield name, f"{words} {' or '.join(sorted(getattr(packets, name)))}"


def _end(addresses: Intervals, ports: Intervals, family: Family) -> str:
    text = networks(addresses, family)
    if ports.size != 1:
        return text if ports.size > 2**15 else f"{text} port {ranges(ports)}"
    return f"[{text}]:{ranges(ports)}" if family is Family.IPV6 else f"{text}:{ranges(ports)}"


def networks(addresses: Intervals, family: Family) -> str:
    """Say addresses as networks: ``172.7.0.0/17, 172.7.128.0/18 and 12 more``; one address without its prefix."""
    return _some([_network(text) for text in cidrs(addresses, family)])


def cidrs(addresses: Intervals, family: Family) -> list[str]:
    """The fewest networks that hold exactly these addresses."""
    return [
        str(network)
        for first, last in addresses.ranges
        for network in summarize_address_range(address(first, family), address(last, family))
    ]


def _network(text: str) -> str:
    return text.removesuffix("/32") if "." in text else text.removesuffix("/128")


def _some(words: list[str]) -> str:
    if len(words) <= _MOST:
        return ", ".join(words)
    return f"{', '.join(words[: _MOST - 1])} and {len(words) - _MOST + 1} more"


def ranges(numbers: Intervals) -> str:
    """Say ports: ``80, 1024-65535``."""
    return _some([str(first) if first == last else f"{first}-{last}" for first, last in numbers.ranges])


def protocols(numbers: Intervals) -> str:
    """Say protocols: ``tcp``, ``any protocol``, ``any protocol but tcp``."""
    if numbers.size > 2**7:
        left = [number for number in range(256) if number not in numbers]
        return f"any protocol but {', '.join(map(_protocol, left))}" if left else "any protocol"
    return _some([_protocol(number) for first, last in numbers.ranges for number in range(first, last + 1)])


def _protocol(number: int) -> str:
    return PROTOCOL_NAMES.get(number, str(number))


def names(devices: Names | None) -> str:
    """Say devices: ``eth0``, ``any but docker0``, ``no device``."""
    if devices is None:
        return "unknown"
    without = sorted(devices.without)
    if not without:
        return {"": "no device", "+": "any device"}.get(devices.pattern, devices.pattern)
    return f"{'any' if devices.pattern == '+' else devices.pattern} but {_some(without)}"


def marks(bits: Bits) -> str:
    """Say marks: ``0x4000``, ``0x0/0x4000`` where the other bits are free, ``any``."""
    if not bits.known:
        return "any"
    return f"{bits.value:#x}" if bits.known == ALL_BITS else f"{bits.value:#x}/{bits.known:#x}"


def packets_document(packets: PacketSet) -> dict[str, Any]:
    """A set of packets as JSON: each field as iptables writes it; null for a device that nobody can tell."""
    family = packets.family
    return {
        "source": cidrs(packets.source, family),
        "destination": cidrs(packets.destination, family),
        "in_interface": _names_document(packets.in_interface),
        "out_interface": _names_document(packets.out_interface),
        "protocol": _ranges_document(packets.protocol),
        "source_port": _ranges_document(packets.source_port),
        "destination_port": _ranges_document(packets.destination_port),
        "mark": {"value": packets.mark.value, "known": packets.mark.known},
        "source_type": sorted(packets.source_type),
        "destination_type": sorted(packets.destination_type),
        "state": sorted(packets.state),
    }


def _names_document(devices: Names | None) -> dict[str, Any] | None:
    return None if devices is None else {"name": devices.pattern, "without": sorted(devices.without)}


def _ranges_document(numbers: Intervals) -> list[list[int]]:
    return [[first, last] for first, last in numbers.ranges]
