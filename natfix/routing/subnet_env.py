"""flannel's subnet.env: the cluster's networks, and the subnet flannel leased for this host.

flannel writes it (pkg/subnet/subnet.go, WriteSubnetFile), people seed it by hand, and mk-docker-opts.sh sources it; so it is
read as a shell would read plain assignments, and written byte for byte as flannel does::

    FLANNEL_NETWORK=172.7.0.0/16
    FLANNEL_SUBNET=172.7.21.1/24            # the bridge's address with its prefix
    FLANNEL_IPV6_NETWORK=fd00:7::/48        # the two of IPv6 with EnableIPv6 alone, those above with EnableIPv4
    FLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64
    FLANNEL_MTU=1500
    FLANNEL_IPMASQ=false
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from natfix.routing.cidrs import read_cidrs
from natfix.ruleset import Family, Network

if TYPE_CHECKING:
    from natfix.routing.subnet import Subnet

DEFAULT_PATH: Final = "/run/flannel/subnet.env"
NETWORK_KEYS: Final = {Family.IPV4: "FLANNEL_NETWORK", Family.IPV6: "FLANNEL_IPV6_NETWORK"}
_SUBNET_KEYS: Final = {Family.IPV4: "FLANNEL_SUBNET", Family.IPV6: "FLANNEL_IPV6_SUBNET"}


@dataclass(frozen=True, slots=True)
class SubnetEnv:
    """What one subnet.env says.

    Attributes:
        settings: the values by their names.
    """

    settings: dict[str, str]

    @classmethod
    def parse(cls, data: bytes) -> SubnetEnv:
        """Read the assignments; lines that are none are passed over."""
        settings = {}
        for line in data.decode("utf-8", "replace").splitlines():
            key, equals, value = line.strip().removeprefix("export ").partition("=")
            if equals and not key.startswith("#"):
                settings[key.strip()] = _unquote(value.strip())
        return cls(settings)

    def networks(self, family: Family) -> tuple[Network, ...]:
        """The cluster's networks of *family*."""
        return self._cidrs(NETWORK_KEYS[family], family)

    def subnets(self, family: Family) -> tuple[Network, ...]:
        """The subnets of this host of *family*."""
        return self._cidrs(_SUBNET_KEYS[family], family)

    @property
    def subnet(self) -> Subnet | None:
        """The subnet this host had: what a lease is taken again by; None where it says none, or several of a family."""
        from natfix.routing.subnet import Subnet  # noqa: PLC0415  (natfix check, which starts often, needs none)

        said = [self.subnets(family) for family in Family]
        if not any(said) or any(len(each) > 1 for each in said):
            return None
        return Subnet.of(network for each in said for network in each)

    def _cidrs(self, key: str, family: Family) -> tuple[Network, ...]:
        return tuple(one for one in read_cidrs(self.settings.get(key, "")) if one.version == family)


def render_subnet_env(networks: Sequence[Network], subnet: Subnet, *, mtu: int, ip_masq: bool) -> bytes:
    """Write the file.

    Args:
        networks: the cluster's, one of each family.
        subnet: this host's, of the same families; its bridge gets the first address after the network's own.
        mtu: in bytes, of the containers' packets.
        ip_masq: whether the node agent masquerades, so that Docker shall not.

    Raises:
        ValueError: *networks* and *subnet* are not of the same families.
    """
    lines = []
    for network, own in zip(networks, subnet.networks, strict=True):
        if network.version != own.version:
            raise ValueError(f"{own} is not of the family of {network}")
        family = Family(network.version)
        lines += [f"{NETWORK_KEYS[family]}={network}", f"{_SUBNET_KEYS[family]}={own.network_address + 1}/{own.prefixlen}"]
    lines += [f"FLANNEL_MTU={mtu}", f"FLANNEL_IPMASQ={str(ip_masq).lower()}", ""]
    return "\n".join(lines).encode()


def _unquote(value: str) -> str:
    if value[:1] in {'"', "'"}:
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].rstrip()
