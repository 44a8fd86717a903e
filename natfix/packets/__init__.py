"""Sets of packets, and what the nat table does with them. Pure."""

from __future__ import annotations

from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.packets.packetset import Address, Packet, PacketSet, address, witness
from natfix.packets.walk import SOURCE_NAT_TARGETS, Fate, Outcome, walk

__all__ = [
    "SOURCE_NAT_TARGETS",
    "Address",
    "Fate",
    "Intervals",
    "Names",
    "Outcome",
    "Packet",
    "PacketSet",
    "address",
    "walk",
    "witness",
]
