"""Sets of packets, and what the nat table does with them. Pure."""

from __future__ import annotations

from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.packetset import Address, Packet, PacketSet, address, witness
from natfix.packets.target import SOURCE_NAT_TARGETS
from natfix.packets.union import joined
from natfix.packets.walk import walk

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
    "joined",
    "walk",
    "witness",
]
