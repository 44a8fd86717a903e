"""flannel's subnet.env: the cluster's networks, and the subnet flannel leased for this host.

flannel writes it (pkg/subnet/subnet.go, WriteSubnetFile), people seed it by hand, and mk-docker-opts.sh sources it; so it is
read as a shell would read plain assignments::

    FLANNEL_NETWORK=172.7.0.0/16
    FLANNEL_SUBNET=172.7.21.1/24            # the bridge's address with its prefix
    FLANNEL_IPV6_NETWORK=fd00:7::/48
    FLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from natfix.app.cidrs import read_cidrs
from natfix.ruleset import Family, Network

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

    def _cidrs(self, key: str, family: Family) -> tuple[Network, ...]:
        return tuple(one for one in read_cidrs(self.settings.get(key, "")) if one.version == family)


def _unquote(value: str) -> str:
    if value[:1] in {'"', "'"}:
        return value[1:].partition(value[0])[0]
    return value.partition(" #")[0].rstrip()
