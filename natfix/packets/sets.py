"""The sets of addresses that rules ask for with ``-m set``, by their names; most hosts have none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # Start-up time.
    from natfix.packets.ipset import IpSet

IpSets: TypeAlias = Mapping[str, "IpSet"]
