"""The ``Backend`` of a network's configuration: how hosts send each other their containers' packets.

Source: flannel, Documentation/backends.md, pkg/backend/vxlan/vxlan.go, RegisterNetwork; ip-link(8) for the ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from natfix.errors import ConfigError
from natfix.routing.fields import Fields

# What a tunnel adds to a packet: outer Ethernet and IP header, UDP, VXLAN. flannel counts 50 for IPv6 too, which is 20 short.
VXLAN_OVERHEAD: Final = {4: 50, 6: 70}
CHOICES: Final = 'Choose {"Type": "host-gw"} (all hosts on one link) or {"Type": "vxlan", "DirectRouting": true} (any hosts).'

_OTHERS: Final = ("udp", "wireguard", "ipip", "ipsec", "alloc", "extension", "tencent-vpc", "ali-vpc", "aws-vpc", "gce")
_VXLAN_NAMES: Final = ("Type", "VNI", "Port", "MTU", "GBP", "Learning", "DirectRouting")
_LARGEST_VNI: Final = 0xFFFFFF
_LARGEST_PORT: Final = 0xFFFF
_LARGEST_MTU: Final = 0xFFFF
# RFC 791 has every link carry 68 bytes, RFC 8200 has it carry 1280.
_SMALLEST_LINK: Final = {4: 68, 6: 1280}


@dataclass(frozen=True, slots=True)
class HostGw:
    """Routes to the hosts themselves; all of them must be on one link."""

    @property
    def type(self) -> str:
        """What configuration and leases call it."""
        return "host-gw"

    def to_fields(self) -> dict[str, Any]:
        """Say it as flannel reads it."""
        return {"Type": self.type}


@dataclass(frozen=True, slots=True)
class Vxlan:
    """A tunnel in UDP.

    Attributes:
        vni: the tunnel's number, 1 to 16777215; the device is called flannel.<vni>.
        port: UDP; 0 leaves it to the kernel, which takes 8472.
        mtu: in bytes, of the link that carries the tunnel; None takes what the link has.
        gbp: group policy extension.
        learning: whether the kernel learns from traffic where a host is.
        direct_routing: whether hosts on the same link are reached without the tunnel.
    """

    vni: int = 1
    port: int = 0
    mtu: int | None = None
    gbp: bool = False
    learning: bool = False
    direct_routing: bool = False

    @property
    def type(self) -> str:
        """What configuration and leases call it."""
        return "vxlan"

    def to_fields(self) -> dict[str, Any]:
        """Say it as flannel reads it."""
        said = {"Type": self.type, "VNI": self.vni, "Port": self.port}
        if self.mtu is not None:
            said["MTU"] = self.mtu
        return {**said, "GBP": self.gbp, "Learning": self.learning, "DirectRouting": self.direct_routing}


Backend: TypeAlias = HostGw | Vxlan


def read_backend(fields: Fields) -> tuple[Backend, tuple[str, ...]]:
    """Read a ``Backend`` object.

    Returns:
        The backend, and the names in the object that say nothing to it.

    Raises:
        ConfigError: no type, one that natfix does not serve, or an option that no kernel would take.
    """
    kind = fields.text("Type")
    # flannel takes a type in any case, and calls one missing "unknown backend type" without saying which there are.
    match kind.lower():
        case "":
            raise ConfigError(f"{fields.source}: Type is missing, so nobody knows how hosts reach each other", hint=CHOICES)
        case "host-gw":
            return HostGw(), fields.unknown(("Type",))
        case "vxlan":
            return _read_vxlan(fields), fields.unknown(_VXLAN_NAMES)
        case known if known in _OTHERS:
            raise ConfigError(f"{fields.source}: Type {kind} is one that flannel serves and natfix does not", hint=CHOICES)
        case _:
            raise ConfigError(f"{fields.source}: Type {kind} is none that there is", hint=CHOICES)


def _read_vxlan(fields: Fields) -> Vxlan:
    return Vxlan(
        vni=_within(fields, "VNI", 1, (1, _LARGEST_VNI)),
        port=_within(fields, "Port", 0, (0, _LARGEST_PORT)),
        mtu=None if fields.value("MTU") is None else _within(fields, "MTU", 0, (_smallest_mtu(4), _LARGEST_MTU)),
        gbp=fields.boolean("GBP", default=False),
        learning=fields.boolean("Learning", default=False),
        direct_routing=fields.boolean("DirectRouting", default=False),
    )


def check_mtu(backend: Backend, version: int, source: str) -> None:
    """Refuse an MTU that leaves the containers less than every link must carry.

    Raises:
        ConfigError: it does.
    """
    least = _smallest_mtu(version)
    if isinstance(backend, Vxlan) and backend.mtu is not None and backend.mtu < least:
        carried = backend.mtu - VXLAN_OVERHEAD[version]
        raise ConfigError(
            f"{source}: MTU {backend.mtu} leaves {carried} bytes for a packet in the tunnel, and IPv{version} needs"
            f" {_SMALLEST_LINK[version]}; it must be {least} or more"
        )


def _smallest_mtu(version: int) -> int:
    return _SMALLEST_LINK[version] + VXLAN_OVERHEAD[version]


def _within(fields: Fields, name: str, default: int, limits: tuple[int, int]) -> int:
    value = fields.integer(name, default)
    least, most = limits
    return value if least <= value <= most else fields.refuse(name, f"is out of range; the kernel takes {least} to {most}")
