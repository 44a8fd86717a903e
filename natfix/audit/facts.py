"""What an audit may know of a host beside its rulesets: kernel settings, addresses, routes, files that are loaded at boot.

All of it is optional. A rule file whose analysis needs a fact is silent where nobody tells it, so an iptables-save text alone
is never judged by guesses. The JSON form is part of a documented file format::

    {"settings": {"net.ipv4.ip_forward": "1"}, "addresses": {"eth0": ["10.4.7.21/24"]},
     "routes": [{"to": "172.7.22.0/24", "via": "10.4.7.22", "device": "eth0"}],
     "saved": {"/etc/iptables/rules.v4": "*nat…"}, "counters": {"insert_failed": 0},
     "boot": {"docker.service": ["netfilter-persistent.service"], "netfilter-persistent.service": []},
     "daemon": {"ip-masq": true}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any, Self

from natfix.errors import ConfigError
from natfix.ruleset import Network, parse_network

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Route:
    """One unicast route.

    Attributes:
        network: where it leads.
        gateway: the next hop's address; empty for a network on the link.
        device: the device it leaves by.
    """

    network: Network
    gateway: str
    device: str


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What is known of one host.

    Attributes:
        settings: kernel settings by their sysctl names, dots between the parts: ``net.ipv4.conf.eth0.rp_filter``.
        addresses: for each device its addresses with their prefixes, as text; empty when nobody told.
        routes: the unicast routes of both families.
        saved: the files that are loaded into iptables at boot, by path.
        counters: of the connection tracking table, by the names of /proc/net/stat/nf_conntrack, summed up over processors.
        boot: of the services that load or write NAT rules, or correct them, those that systemd starts at boot; for each of
            them the others that are surely started before it. Empty when nobody told.
        daemon: Docker's own switches, on or off; one that is not there is not known.
    """

    settings: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)
    routes: tuple[Route, ...] = ()
    saved: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    counters: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    boot: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: _NOTHING)
    daemon: Mapping[str, bool] = field(default_factory=lambda: _NOTHING)

    def setting(self, name: str) -> int | None:
        """A setting that is a number; None when nobody told, or it is none."""
        text = self.settings.get(name, "")
        return int(text) if text.isdecimal() else None

    def to_json(self) -> dict[str, Any]:
        """The facts in JSON types, sorted; from_json reads them."""
        return {
            "settings": dict(sorted(self.settings.items())),
            "addresses": {device: list(texts) for device, texts in sorted(self.addresses.items())},
            "routes": [{"to": str(each.network), "via": each.gateway, "device": each.device} for each in self.routes],
            "saved": dict(sorted(self.saved.items())),
            "counters": dict(sorted(self.counters.items())),
            "boot": {name: list(before) for name, before in sorted(self.boot.items())},
            "daemon": dict(sorted(self.daemon.items())),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str) -> Self:
        """Read what to_json wrote; what is left out is not known.

        Raises:
            ConfigError: *data* is something else; names *source*.
        """
        unknown = set(data) - {each.name for each in fields(cls)}
        if unknown:
            raise ConfigError(f"{source}: {min(unknown)} is no fact of a host", hint=_HINT)
        try:
            return cls(
                settings={name: _text(value) for name, value in data.get("settings", {}).items()},
                addresses={name: tuple(map(_text, texts)) for name, texts in data.get("addresses", {}).items()},
                routes=tuple(
                    Route(parse_network(each["to"]), _text(each.get("via", "")), _text(each["device"]))
                    for each in data.get("routes", ())
                ),
                saved={path: _text(text) for path, text in data.get("saved", {}).items()},
                counters={name: int(number) for name, number in data.get("counters", {}).items()},
                boot={name: tuple(map(_text, before)) for name, before in data.get("boot", {}).items()},
                daemon={name: _switch(value) for name, value in data.get("daemon", {}).items()},
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{source}: the facts of the host cannot be read: {error!r}", hint=_HINT) from error


_HINT = "They are written by natfix; natfix/audit/facts.py shows the form."


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(value)
    return value
