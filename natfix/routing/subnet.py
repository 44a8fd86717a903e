"""The subnet of one host: a network of each family that the cluster has."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


@dataclass(frozen=True, slots=True)
class Subnet:
    """What one host gives its containers; at least one family is there.

    Attributes:
        ipv4: such as ``172.7.21.0/24``.
        ipv6: such as ``fd00:7:21::/64``.
    """

    ipv4: IPv4Network | None = None
    ipv6: IPv6Network | None = None
