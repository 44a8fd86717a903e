"""The iptables ruleset as a value: parse, look at, render. Pure."""

from __future__ import annotations

from natfix.ruleset.addresses import Family, Network, family_of, has_host_bits, parse_network
from natfix.ruleset.meaning import same_meaning
from natfix.ruleset.options import Option
from natfix.ruleset.parse import parse
from natfix.ruleset.render import render
from natfix.ruleset.rule import Counters, Rule
from natfix.ruleset.tables import Chain, Ruleset, Table, Variant

__all__ = [
    "Chain",
    "Counters",
    "Family",
    "Network",
    "Option",
    "Rule",
    "Ruleset",
    "Table",
    "Variant",
    "family_of",
    "has_host_bits",
    "parse",
    "parse_network",
    "render",
    "same_meaning",
]
