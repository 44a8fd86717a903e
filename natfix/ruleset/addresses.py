"""Addresses as iptables writes them: families and networks."""

from __future__ import annotations

import enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


class Family(enum.IntEnum):
    """IPv4 or IPv6; the value is the version number of the protocol."""

    IPV4 = 4
    IPV6 = 6

    @property
    def width(self) -> int:
        """Bits in an address: 32 or 128."""
        return 32 if self is Family.IPV4 else 128


def family_of(network: Network) -> Family:
    """Tell to which family *network* belongs."""
    return Family(network.version)


@lru_cache(maxsize=4096)
def parse_network(text: str) -> Network:
    """Read ``10.0.0.0/8``, ``10.1.2.3``, ``10.0.0.0/255.0.0.0`` or ``fd00::/8``.

    Host bits are cut off, as iptables does.

    Raises:
        ValueError: *text* is no network, or its mask has holes (``255.0.255.0``), which no prefix can say.
    """
    if ":" in text:
        return IPv6Network(text, strict=False)
    address, slash, mask = text.partition("/")
    if "." in mask:
        # ipaddress would read 0.0.0.255 as a host mask, that is as /24; to iptables it is a mask with holes.
        mask = str(_prefix_length(mask))
    return IPv4Network(f"{address}{slash}{mask}", strict=False)


def has_host_bits(text: str) -> bool:
    """Tell whether a written network has bits set beyond its prefix, as ``172.7.11.0/16`` has.

    Raises:
        ValueError: *text* is no network at all.
    """
    address = parse_network(text.partition("/")[0])
    return address.network_address != parse_network(text).network_address


def _prefix_length(mask: str) -> int:
    bits = int(IPv4Address(mask))
    length = bits.bit_count()
    if bits != (0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF:
        message = f"the mask {mask} has holes"
        raise ValueError(message)
    return length
