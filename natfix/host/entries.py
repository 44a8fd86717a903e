"""Entries of a legacy table, as bytes: copied out of libiptc and changed in place.

An entry is a fixed head (addresses, interfaces, flags, offsets, counters), then its matches, then its target.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from natfix.ruleset import Counters, Family, Rule, parse_network

if TYPE_CHECKING:
    Bytes: TypeAlias = ctypes.Array[ctypes.c_ubyte]

_INVERTED_DESTINATION = 0x10  # IPT_INV_DSTIP and IP6T_INV_DSTIP
_NAME_OFFSET, _NAME_SIZE = 2, 29  # of the target's name in struct xt_entry_target
_COUNTERS = struct.Struct("=QQ")


class Layout(NamedTuple):
    """Where things stand in a kernel entry.

    Attributes:
        width: bytes in an address; the destination stands at *width*, its mask at three times that.
        inversions: place of the byte of negations.
        counters: place of the packet and byte counters.
    """

    width: int
    inversions: int
    counters: int


# struct ipt_entry with ipt_ip, and ip6t_entry with ip6t_ip6: linux/netfilter_ipv4/ip_tables.h, netfilter_ipv6/ip6_tables.h.
_LAYOUTS = {Family.IPV4: Layout(4, 83, 96), Family.IPV6: Layout(16, 132, 152)}


class IptcTable(Protocol):
    """What is used of iptc.Table and iptc.Table6; each method raises iptc.IPTCError."""

    def refresh(self) -> None:
        """Read the table from the kernel again."""

    def close(self) -> None:
        """Drop what was read; commits it first when autocommit is on."""

    def commit(self) -> None:
        """Give the changed table to the kernel."""

    def first_rule(self, chain: str, /) -> ctypes.Structure:
        """The first entry of a chain, in the library's own memory."""
        ...

    def next_rule(self, previous: ctypes.Structure, /) -> ctypes.Structure:
        """The entry behind another one."""
        ...

    def get_target(self, entry: ctypes.Structure, /) -> bytes | None:
        """The chain or verdict that an entry jumps to; None for an extension's target."""
        ...

    def delete_entry(self, chain: str, entry: Bytes, mask: Bytes, /) -> None:
        """Delete the first entry equal to *entry* where *mask* has bits."""

    def insert_entry(self, chain: str, entry: Bytes, position: int, /) -> None:
        """Insert at a 0-based position."""


def copy_entry(table: IptcTable, chain: str, number: int) -> Bytes:
    """Copy an entry, with the name of what it jumps to in place: the library keeps that beside it."""
    found = table.first_rule(chain)
    for _ in range(number):
        found = table.next_rule(found)
    data = bytearray(ctypes.string_at(ctypes.addressof(found), found.next_offset))
    jump = table.get_target(found)
    if jump:
        start = found.target_offset + _NAME_OFFSET
        data[start : start + _NAME_SIZE] = jump.ljust(_NAME_SIZE, b"\0")
    return (ctypes.c_ubyte * len(data))(*data)


def correct_entry(entry: Bytes, family: Family, rule: Rule) -> None:
    """Write the negated destination and the counters of *rule* into an entry."""
    destination = rule.destination
    network = parse_network(destination.value) if destination else None
    assert network is not None  # noqa: S101  (a twin has a destination: natfix.host.swaps)
    view = memoryview(entry).cast("B")
    layout = _LAYOUTS[family]
    width = layout.width
    view[width : 2 * width] = network.network_address.packed
    view[3 * width : 4 * width] = network.netmask.packed
    view[layout.inversions] |= _INVERTED_DESTINATION
    counters = rule.counters or Counters(0, 0)
    _COUNTERS.pack_into(view, layout.counters, counters.packets, counters.bytes)
