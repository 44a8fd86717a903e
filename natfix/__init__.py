"""natfix: keep pod addresses visible where hosts route container subnets to each other.

The public API; everything else may change between versions::

    from natfix import Family, Subject, audit_table, parse, parse_network, read_catalogue

    ruleset = parse(data, "dump.save")
    table = ruleset.table("nat", Family.IPV4)
    for finding in audit_table(Subject(table, (parse_network("172.7.0.0/16"),)), read_catalogue()):
        print(finding.kind.id, finding.rule, finding.packet)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from natfix._version import __version__

if TYPE_CHECKING:
    from natfix.audit import AuditRule, Finding, Severity, Subject, audit_table, load_rule
    from natfix.errors import (
        BusyError,
        ConfigError,
        ConflictError,
        HostError,
        NatfixError,
        RolledBackError,
        RulesetSyntaxError,
        UnsupportedError,
        UsageError,
    )
    from natfix.host.catalogue import read_catalogue
    from natfix.packets import Fate, Outcome, Packet, PacketSet, walk, witness
    from natfix.packets.partition import Part, partition
    from natfix.plan import Edit, Plan, compile_script, inverse, repair, rewrite
    from natfix.ruleset import Chain, Family, Rule, Ruleset, Table, parse, parse_network, render

_HOMES = {
    "natfix.audit": ("AuditRule", "Finding", "Severity", "Subject", "audit_table", "load_rule"),
    "natfix.errors": (
        "BusyError",
        "ConfigError",
        "ConflictError",
        "HostError",
        "NatfixError",
        "RolledBackError",
        "RulesetSyntaxError",
        "UnsupportedError",
        "UsageError",
    ),
    "natfix.host.catalogue": ("read_catalogue",),
    "natfix.packets": ("Fate", "Outcome", "Packet", "PacketSet", "walk", "witness"),
    "natfix.packets.partition": ("Part", "partition"),
    "natfix.plan": ("Edit", "Plan", "compile_script", "inverse", "repair", "rewrite"),
    "natfix.ruleset": ("Chain", "Family", "Rule", "Ruleset", "Table", "parse", "parse_network", "render"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AuditRule",
    "BusyError",
    "Chain",
    "ConfigError",
    "ConflictError",
    "Edit",
    "Family",
    "Fate",
    "Finding",
    "HostError",
    "NatfixError",
    "Outcome",
    "Packet",
    "PacketSet",
    "Part",
    "Plan",
    "RolledBackError",
    "Rule",
    "Ruleset",
    "RulesetSyntaxError",
    "Severity",
    "Subject",
    "Table",
    "UnsupportedError",
    "UsageError",
    "__version__",
    "audit_table",
    "compile_script",
    "inverse",
    "load_rule",
    "parse",
    "parse_network",
    "partition",
    "read_catalogue",
    "render",
    "repair",
    "rewrite",
    "walk",
    "witness",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562: a name is imported when it is asked for)
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'natfix' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
