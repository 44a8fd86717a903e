"""The kernel's connection tracking table, by ctnetlink.

Each entry holds two tuples: the addresses of its first packet (original) and those it awaits in the answer (reply). A source
that was rewritten shows in the reply: it is awaited at another address than the one the connection came from.

An entry is deleted by sending its own original tuple, zone and id back, byte for byte: right for every protocol, and never
a newer connection that has taken the same addresses. The two ways not taken: pyroute2 0.9 builds the tuple anew, knows the
protocols it has names for, and takes 220 ms to import; the conntrack program's listing lacks ICMP ids in XML, and it is a
package that few hosts have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TypeAlias

from natfix.app.change_ports import Rewritten
from natfix.errors import HostError
from natfix.host.nfnetlink import CONNTRACK, Nfnetlink, attribute, attributes, protocol_family
from natfix.ruleset import Family, family_of

# linux/netfilter/nfnetlink_conntrack.h
_GET, _DELETE = 1, 2
_ORIGINAL, _REPLY, _ID, _ZONE = 1, 2, 12, 18
_TUPLE_IP = 1
_SOURCES, _DESTINATIONS = (1, 3), (2, 4)  # CTA_IP_V4_SRC and CTA_IP_V6_SRC, CTA_IP_V4_DST and CTA_IP_V6_DST

Address: TypeAlias = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Connection:
    """The addresses of one tracked connection.

    Attributes:
        source: where it came from.
        destination: where its first packet was sent, before any DNAT.
        reply_source: where the answer comes from: the other end after any DNAT.
        reply_destination: where the answer is awaited: the source after any rewrite.
    """

    source: Address
    destination: Address
    reply_source: Address
    reply_destination: Address

    def carries(self, which: Rewritten) -> bool:
        """Tell whether it is one of *which* and its source is rewritten."""
        return (
            self.reply_destination != self.source
            and self.source in which.source
            and any(self.reply_source in network for network in which.destinations)
            and not any(self.reply_source in network for network in which.excluded)
        )


class ConntrackTable:
    """The entries of this thread's network namespace; see natfix.app.change_ports.Connections."""

    def forget(self, which: Iterable[Rewritten]) -> int:
        """Drop the entries that match any of *which* and whose source is rewritten."""
        wanted = tuple(which)
        families = sorted({family_of(one.source) for one in wanted})
        return sum(_forget(family, [one for one in wanted if family_of(one.source) is family]) for family in families)

    def connections(self, version: int) -> list[Connection]:
        """Everything that is tracked of one family; nothing where the kernel does not tell.

        Raises:
            HostError: no rights.
        """
        with Nfnetlink() as kernel:
            return [_read(entry) for entry in kernel.dump(CONNTRACK, _GET, protocol_family(Family(version))) or ()]


def _forget(family: Family, wanted: list[Rewritten]) -> int:
    with Nfnetlink() as kernel:
        entries = kernel.dump(CONNTRACK, _GET, protocol_family(family))
        if entries is None:
            raise HostError(
                "this kernel does not let natfix look at its tracked connections",
                hint="Load the module nf_conntrack_netlink, or keep the connections: they end by themselves.",
            )
        found = [entry for entry in entries if any(_read(entry).carries(one) for one in wanted)]
        # None is the answer for an entry that has ended by itself in between.
        gone = [kernel.ask(CONNTRACK, _DELETE, protocol_family(family), _address_of(entry)) for entry in found]
    return len(gone) - gone.count(None)


def _read(entry: bytes) -> Connection:
    parts = dict(attributes(entry))
    return Connection(*_addresses(parts[_ORIGINAL]), *_addresses(parts[_REPLY]))


def _addresses(tuple_: bytes) -> Iterator[Address]:
    """Give the source and the destination of a tuple."""
    found = dict(attributes(dict(attributes(tuple_))[_TUPLE_IP]))
    for numbers in (_SOURCES, _DESTINATIONS):
        for number in numbers:
            if number in found:
                value = found[number]
                yield ip_address(value)


def _address_of(entry: bytes) -> bytes:
    """Write what names an entry to the kernel: its own words."""
    parts = dict(attributes(entry))
    return b"".join(
        attribute(number, parts[number], nested=number == _ORIGINAL) for number in (_ORIGINAL, _ZONE, _ID) if number in parts
    )
