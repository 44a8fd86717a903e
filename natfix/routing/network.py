"""The configuration of a cluster's network, as flannel's hosts share it.

As it is written::

    {"Network": "172.7.0.0/16", "SubnetLen": 24, "Backend": {"Type": "host-gw"}}

Source: flannel, pkg/subnet/config.go, CheckNetworkConfig, whose rules and defaults these are, but for two: flannel accepts a
SubnetMin above SubnetMax, where no host ever finds a subnet, and takes a missing Backend for ``udp``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Any, Final

from natfix.errors import ConfigError
from natfix.routing.backend_config import CHOICES, Backend, check_mtu, read_backend
from natfix.routing.fields import Fields
from natfix.routing.pool import Pool, network_at
from natfix.routing.state import Address
from natfix.ruleset import Family, Network

SOURCE: Final = "the network configuration"
_EXAMPLE: Final = 'Write for example {"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}.'
_PREFIXES: Final = {Family.IPV4: "", Family.IPV6: "IPv6"}
_NAMES: Final = ("Network", "SubnetLen", "SubnetMin", "SubnetMax")
_SWITCHES: Final = ("EnableIPv4", "EnableIPv6", "EnableNFTables")
# A network yields four subnets at least, and a subnet yields addresses for two containers at least.
_SPARE_BITS: Final = 2
_USUAL_LEN: Final = {Family.IPV4: 24, Family.IPV6: 64}


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """How a cluster's containers are addressed, and how hosts reach each other's.

    Attributes:
        ipv4: the subnets of IPv4; None without IPv4.
        ipv6: the subnets of IPv6; None without IPv6.
        backend: how hosts reach each other.
        nftables: whether flannel's own nodes write nftables; natfix keeps it for them.
        ignored: what was written and says nothing, each with the reason, for people.
    """

    ipv4: Pool | None
    ipv6: Pool | None
    backend: Backend
    nftables: bool = False
    ignored: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def parse(cls, text: str | bytes, source: str = SOURCE) -> NetworkConfig:
        """Read it as flannel does: names in any case at every level, unknown ones passed over.

        Args:
            text: JSON.
            source: what it is, to begin an error with.

        Raises:
            ConfigError: it is no JSON, or no host could work with it; the message says what and why.
        """
        fields = Fields.parse(text, source)
        enabled = {
            Family.IPV4: fields.boolean("EnableIPv4", default=True),
            Family.IPV6: fields.boolean("EnableIPv6", default=False),
        }
        if not any(enabled.values()):
            raise ConfigError(
                f"{source}: EnableIPv4 and EnableIPv6 are both false, so there is nothing to address", hint=_EXAMPLE
            )
        pools = {family: _read_pool(fields, family) for family in Family if enabled[family]}
        backend, needless = _read_backend(fields)
        for family in pools:
            check_mtu(backend, family, f"{source}, Backend")
        return cls(
            pools.get(Family.IPV4),
            pools.get(Family.IPV6),
            backend,
            fields.boolean("EnableNFTables", default=False),
            (*_ignored(fields, enabled), *(f"Backend.{name} is no option of {backend.type}" for name in needless)),
        )

    @property
    def pools(self) -> tuple[Pool, ...]:
        """The subnets of each family there is, IPv4 first."""
        return tuple(pool for pool in (self.ipv4, self.ipv6) if pool is not None)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The cluster's networks, IPv4 first: what the rest of natfix calls the cluster CIDR."""
        return tuple(pool.network for pool in self.pools)

    def to_json(self) -> str:
        """Write it with every default spelled out, so that all versions of flannel read the same."""
        import json  # noqa: PLC0415  (Whoever reads subnet.env alone needs no JSON.)

        said: dict[str, Any] = {} if self.ipv4 else {"EnableIPv4": False}
        if self.ipv6:
            said["EnableIPv6"] = True
        if self.nftables:
            said["EnableNFTables"] = True
        for pool in self.pools:
            values = (str(pool.network), pool.subnet_len, str(pool.subnet_min), str(pool.subnet_max))
            said.update(zip((f"{_PREFIXES[pool.family]}{name}" for name in _NAMES), values, strict=True))
        return json.dumps({**said, "Backend": self.backend.to_fields()})


def _read_backend(fields: Fields) -> tuple[Backend, tuple[str, ...]]:
    value = fields.value("Backend")
    if value is None:
        why = "Backend is missing; flannel's own nodes would fall back to its slow udp tunnel"
        raise ConfigError(f"{fields.source}: {why}", hint=CHOICES)
    return read_backend(Fields.of(value, f"{fields.source}, Backend"))


def _read_pool(fields: Fields, family: Family) -> Pool:
    network = _read_network(fields, family)
    length = _read_length(fields, network)
    size = 1 << (family.width - length)
    # flannel leaves the first subnet out, whose first address some take for the address of the whole network.
    first = _read_limit(fields, "SubnetMin", (network, length), int(network.network_address) + size)
    last = _read_limit(fields, "SubnetMax", (network, length), int(network.broadcast_address) + 1 - size)
    lowest, highest = _address(family, first), _address(family, last)
    if first > last:
        prefix = _PREFIXES[family]
        why = f"{prefix}SubnetMin {lowest} is above {prefix}SubnetMax {highest}, so no host would ever find a free subnet"
        raise ConfigError(f"{fields.source}: {why}")
    return Pool(network, length, lowest, highest)


def _read_network(fields: Fields, family: Family) -> Network:
    name = f"{_PREFIXES[family]}Network"
    network = fields.network(name, family)
    if network is None:
        why = f"{name} is missing, so there is nothing to lease IPv{family} subnets from"
        raise ConfigError(f"{fields.source}: {why}", hint=_EXAMPLE)
    if not network.prefixlen:
        fields.refuse(name, "is every address there is, not a cluster's; the rest of the world would not be reached")
    return network


def _read_length(fields: Fields, network: Network) -> int:
    family = Family(network.version)
    least, most = network.prefixlen + _SPARE_BITS, family.width - _SPARE_BITS
    if least > most:
        room = family.width - 2 * _SPARE_BITS
        fields.refuse(f"{_PREFIXES[family]}Network", f"is too small; four subnets of four addresses each need a /{room}")
    name = f"{_PREFIXES[family]}SubnetLen"
    length = fields.integer(name, 0)
    if length > most:
        fields.refuse(name, f"leaves a host fewer than four addresses; it must be {most} or less")
    if length and length < least:
        fields.refuse(name, f"leaves fewer than four subnets in {network}; it must be {least} or more")
    return length or max(least, _USUAL_LEN[family])


def _read_limit(fields: Fields, what: str, frame: tuple[Network, int], default: int) -> int:
    network, length = frame
    family = Family(network.version)
    name = f"{_PREFIXES[family]}{what}"
    address = fields.address(name, family)
    if address is None:
        return default
    if address not in network:
        fields.refuse(name, f"is not in {network}, and every subnet must be")
    start = network_at(family, int(address), length).network_address
    if address != start:
        fields.refuse(name, f"is not where a /{length} begins; did you mean {start}?")
    return int(address)


def _ignored(fields: Fields, enabled: dict[Family, bool]) -> tuple[str, ...]:
    spoken = {family: tuple(f"{_PREFIXES[family]}{name}" for name in _NAMES) for family in Family}
    off = {name: family for family in Family if not enabled[family] for name in spoken[family]}
    silent = tuple(
        f"{name} counts only with EnableIPv{family}" for name, family in off.items() if fields.value(name) is not None
    )
    strange = fields.unknown((*_SWITCHES, "Backend", *spoken[Family.IPV4], *spoken[Family.IPV6]))
    return (*silent, *(f"{name} is nothing that flannel knows" for name in strange))


def _address(family: Family, number: int) -> Address:
    return IPv4Address(number) if family is Family.IPV4 else IPv6Address(number)
