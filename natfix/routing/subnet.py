"""The subnet of one host: a network of each family that the cluster has."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from natfix.routing.dotted import read_dotted
from natfix.ruleset import Network

# flannel writes 0.0.0.0-0 before the & when there is no IPv4.
_NO_IPV4: Final = "0.0.0.0-0"
_KEY: Final = re.compile(r"(?P<ipv4>[0-9.]+-[0-9]+)(?:&(?P<ipv6>[0-9a-f:]+-[0-9]+))?")
# flannel reads the length in five bits and in seven.
_LONGEST: Final = {4: 31, 6: 127}
_LENGTHS: Final = {str(length): length for length in range(1, _LONGEST[4] + 1)}


@dataclass(frozen=True, slots=True)
class Subnet:
    """What one host gives its containers; at least one family is there.

    Attributes:
        ipv4: such as ``172.7.21.0/24``.
        ipv6: such as ``fd00:7:21::/64``.
    """

    ipv4: IPv4Network | None = None
    ipv6: IPv6Network | None = None

    def __post_init__(self) -> None:
        if self.ipv4 is None and self.ipv6 is None:
            raise ValueError("a subnet needs a network of one family at least")

    @classmethod
    def of(cls, networks: Iterable[Network]) -> Subnet:
        """Put the networks of a host together, one of each family at most.

        Raises:
            ValueError: there is none, or two of one family.
        """
        every = tuple(networks)
        found = {network.version: network for network in every}
        if len(found) < len(every):
            raise ValueError(f"a subnet has one network of each family, not {' and '.join(map(str, every))}")
        ipv4, ipv6 = found.get(4), found.get(6)
        return cls(ipv4 if isinstance(ipv4, IPv4Network) else None, ipv6 if isinstance(ipv6, IPv6Network) else None)

    @classmethod
    def parse_key(cls, key: str) -> Subnet:
        """Read ``172.7.21.0-24``, ``172.7.21.0-24&fd00:7:21::-64`` or ``0.0.0.0-0&fd00:7:21::-64``.

        Strictly, as what flannel would not write cannot be found under the name that it has (flannel,
        pkg/subnet/subnet.go, ParseSubnetKey).

        Raises:
            ValueError: *key* is none that flannel writes.
        """
        plain = _plain_network(key)
        if plain is not None:
            return cls(plain)
        found = _KEY.fullmatch(key)
        if found is None:
            raise ValueError(f"{key!r} is no key of a subnet, such as 172.7.21.0-24")
        ipv4, ipv6 = found["ipv4"], found["ipv6"]
        try:
            subnet = cls(
                None if ipv4 == _NO_IPV4 else IPv4Network(ipv4.replace("-", "/")),
                None if ipv6 is None else IPv6Network(ipv6.replace("-", "/")),
            )
        except ValueError as error:
            raise ValueError(f"{key!r} is no key of a subnet: {error}") from error
        if subnet.key != key or not all(0 < one.prefixlen <= _LONGEST[one.version] for one in subnet.networks):
            raise ValueError(f"{key!r} is no key of a subnet as flannel spells it")
        return subnet

    @property
    def key(self) -> str:
        """The name of its key in a store, after the folder's."""
        ipv4 = _NO_IPV4 if self.ipv4 is None else str(self.ipv4).replace("/", "-")
        return ipv4 if self.ipv6 is None else f"{ipv4}&{str(self.ipv6).replace('/', '-')}"

    @property
    def networks(self) -> tuple[Network, ...]:
        """The network of each family there is, IPv4 first."""
        return tuple(one for one in (self.ipv4, self.ipv6) if one is not None)

    def overlaps(self, other: Subnet) -> bool:
        """Tell whether an address of one lies in the other; families that only one of them has do not count."""
        return any(mine.overlaps(yours) for mine in self.networks for yours in other.networks if mine.version == yours.version)

    def __str__(self) -> str:
        """Spell it for people: ``172.7.21.0/24``, ``172.7.21.0/24 and fd00:7:21::/64``."""
        return " and ".join(map(str, self.networks))

    def __lt__(self, other: Subnet) -> bool:
        """Sort by address, those of IPv6 alone first, as their key begins with zeros."""
        return self.place < other.place

    @property
    def place(self) -> tuple[int, int, int, int]:
        """What subnets are sorted by."""
        ipv4, ipv6 = self.ipv4, self.ipv6
        number, length = (0, 0) if ipv4 is None else (int(ipv4.network_address), ipv4.prefixlen)
        if ipv6 is None:
            return number, length, 0, 0
        return number, length, int(ipv6.network_address), ipv6.prefixlen


def _plain_network(key: str) -> IPv4Network | None:
    """Read a key of IPv4 alone, as nearly all are; None for any other text, right or wrong."""
    address, _, length = key.partition("-")
    try:
        return IPv4Network((read_dotted(address), _LENGTHS[length]))
    except (KeyError, ValueError):
        return None
