"""The subnets of one family that hosts may have, by their index."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from natfix.routing.state import Address
from natfix.ruleset import Family, Network


@dataclass(frozen=True, slots=True)
class Pool:
    """The subnets of one family that hosts may have.

    Attributes:
        network: the cluster's, such as ``172.7.0.0/16``.
        subnet_len: the prefix length of each subnet.
        subnet_min: the first address of the first subnet to lease.
        subnet_max: the first address of the last one.
    """

    network: Network
    subnet_len: int
    subnet_min: Address
    subnet_max: Address

    @property
    def family(self) -> Family:
        """IPv4 or IPv6."""
        return Family(self.network.version)

    @property
    def size(self) -> int:
        """How many addresses a subnet has."""
        return 1 << (self.family.width - self.subnet_len)

    @property
    def count(self) -> int:
        """How many subnets there are to lease."""
        return (int(self.subnet_max) - int(self.subnet_min)) // self.size + 1

    def subnet(self, index: int) -> Network:
        """The subnet that has so many before it.

        Raises:
            IndexError: there is none.
        """
        if not 0 <= index < self.count:
            raise IndexError(index)
        return network_at(self.family, int(self.subnet_min) + index * self.size, self.subnet_len)

    def index(self, subnet: Network) -> int | None:
        """How many subnets stand before this one; None when it is none of those to lease."""
        if subnet.version != self.network.version or subnet.prefixlen != self.subnet_len:
            return None
        distance = int(subnet.network_address) - int(self.subnet_min)
        index, rest = divmod(distance, self.size)
        return index if not rest and 0 <= index < self.count else None


def network_at(family: Family, number: int, length: int) -> Network:
    """The network of so many bits that holds the address with this number."""
    if family is Family.IPV4:
        return IPv4Network((number, length), strict=False)
    return IPv6Network((number, length), strict=False)
