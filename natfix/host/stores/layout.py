"""How flannel lays out a network in etcd, in either dialect (flannel, pkg/subnet/etcd/registry.go)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import Final

from natfix.errors import ConfigError

# After so many seconds of silence a watch looks whether etcd is there: one that hangs, or was cut off, says nothing.
IDLE: Final = 30.0


@dataclass(frozen=True, slots=True)
class Layout:
    """The keys of one network.

    Attributes:
        prefix: ``/coreos.com/network``; flannel cleans it as a path, and so is it here.
        subnets: what the keys of all subnets begin with.
    """

    prefix: str
    subnets: str = field(default="", init=False)

    def __post_init__(self) -> None:
        cleaned = posixpath.normpath(self.prefix) if self.prefix else ""
        if not cleaned.startswith("/") or cleaned.strip("/") == "":
            raise ConfigError(
                f"{self.prefix!r} is no prefix of keys in etcd", hint="It begins with /, such as /coreos.com/network."
            )
        object.__setattr__(self, "prefix", "/" + cleaned.lstrip("/"))
        object.__setattr__(self, "subnets", f"{self.prefix}/subnets/")

    @property
    def config(self) -> str:
        """Where the network's configuration is."""
        return f"{self.prefix}/config"

    def name(self, key: str) -> str:
        """The last part of a key below ``subnets``."""
        return key.removeprefix(self.subnets)
