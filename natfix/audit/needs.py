"""Which facts of a host an audit rule asks for, so that nobody reads what no rule will look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from natfix.audit.rulefile import AuditRule

NEEDS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "forwarding-off": frozenset({"settings"}),
        "bridge-netfilter-off": frozenset({"settings"}),
        "strict-reverse-path": frozenset({"settings", "routes"}),
        "ports-under-pressure": frozenset({"counters"}),
        "foreign-address": frozenset({"addresses"}),
        "frozen-chains": frozenset({"saved"}),
        "brought-back": frozenset({"saved"}),
        "unsaved-correction": frozenset({"saved"}),
        "undone-at-boot": frozenset({"saved", "boot", "daemon"}),
    }
)
"""For each analysis that looks at facts their names, fields of natfix.audit.facts.HostFacts; the others look at none."""


def needed(catalogue: Iterable[AuditRule]) -> frozenset[str]:
    """The names of the facts that some rule of *catalogue* asks for."""
    return frozenset[str]().union(*(NEEDS.get(kind.analysis, frozenset()) for kind in catalogue))
