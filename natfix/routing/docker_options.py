"""What Docker's daemon is told, so that its bridge has this host's subnet: options for its command line, or daemon.json.

The environment file is, byte for byte, what flannel's mk-docker-opts.sh makes of the same subnet.env (dist/mk-docker-opts.sh);
daemon.json says IPv6 too, which that script never does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Interface, NetmaskValueError
from types import MappingProxyType
from typing import Any, Final

from natfix.errors import ConfigError
from natfix.routing.subnet_env import SubnetEnv
from natfix.ruleset import Family, Network

COMBINED_KEY: Final = "DOCKER_OPTS"
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_SEEDED: Final = "It is in subnet.env, which the node agent writes, or you by hand."


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """How the daemon's own bridge shall be.

    Attributes:
        bip: its address with the prefix of this host's subnet; None leaves it to Docker.
        mtu: of its containers' links, in bytes; None leaves it to Docker.
        ip_masq: whether Docker shall masquerade them; None says nothing about it.
        ipv6: this host's subnet of IPv6; None without.
    """

    bip: IPv4Interface | None = None
    mtu: int | None = None
    ip_masq: bool | None = None
    ipv6: Network | None = None

    @classmethod
    def of(cls, env: SubnetEnv, *, ip_masq: bool = True) -> DockerOptions:
        """Conclude it from subnet.env: Docker masquerades when the node agent does not.

        Args:
            env: the file.
            ip_masq: whether to say anything about masquerading (``-m`` of mk-docker-opts.sh is False).

        Raises:
            ConfigError: a value is none that Docker takes; the message names it.
        """
        bip, mtu = env.settings.get("FLANNEL_SUBNET", ""), env.settings.get("FLANNEL_MTU", "")
        ipv6 = env.subnets(Family.IPV6)
        return cls(
            _interface(bip) if bip else None,
            _mtu(mtu) if mtu else None,
            _ip_masq(env.settings.get("FLANNEL_IPMASQ", "")) if ip_masq else None,
            ipv6[0] if ipv6 else None,
        )

    def flags(self) -> Mapping[str, str]:
        """The options for the command line, by the names mk-docker-opts.sh gives them, in its order."""
        said = {}
        if self.bip is not None:
            said["DOCKER_OPT_BIP"] = f"--bip={self.bip}"
        if self.ip_masq is not None:
            said["DOCKER_OPT_IPMASQ"] = f"--ip-masq={str(self.ip_masq).lower()}"
        if self.mtu is not None:
            said["DOCKER_OPT_MTU"] = f"--mtu={self.mtu}"
        return said

    def daemon_json(self) -> Mapping[str, Any]:
        """The options for daemon.json, by their names there."""
        said: dict[str, Any] = {}
        if self.bip is not None:
            said["bip"] = str(self.bip)
        if self.ipv6 is not None:
            said |= {"ipv6": True, "fixed-cidr-v6": str(self.ipv6)}
        if self.ip_masq is not None:
            said["ip-masq"] = self.ip_masq
        if self.mtu is not None:
            said["mtu"] = self.mtu
        return said

    def environment(
        self,
        *,
        individual: bool = True,
        combined: bool = True,
        key: str = COMBINED_KEY,
        environ: Mapping[str, str] = _NONE,
    ) -> bytes:
        """Write the environment file for a unit of Docker.

        Args:
            individual: whether to write a variable for each option (``-i``).
            combined: whether to write one for all of them (``-c``).
            key: its name (``-k``).
            environ: what the environment says already: more options (``DOCKER_OPT_…``), and what stands first in *key*.
        """
        more = {name: value for name, value in environ.items() if name.startswith("DOCKER_OPT_")}
        options = dict(sorted({**more, **self.flags()}.items()))
        lines = [f'{name}="{value}"\n' for name, value in options.items()] if individual else []
        if combined:
            before = environ.get(key, "")
            every = "".join(f" {value}" for value in options.values())
            lines.append(f'{key}="{f"{before} " if before else ""}{every}"\n')
        return "".join(lines).encode()


def _interface(text: str) -> IPv4Interface:
    try:
        if "/" in text:
            return IPv4Interface(text)
    except (AddressValueError, NetmaskValueError):
        pass
    raise ConfigError(f"FLANNEL_SUBNET={text} is no address with a prefix, such as 172.7.21.1/24", hint=_SEEDED)


def _mtu(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise ConfigError(f"FLANNEL_MTU={text} is no number of bytes, such as 1500", hint=_SEEDED)


def _ip_masq(text: str) -> bool | None:
    if text not in {"", "true", "false"}:
        raise ConfigError(f"FLANNEL_IPMASQ={text} is neither true nor false", hint=_SEEDED)
    return text == "false" if text else None
