"""Whether two rules say the same in other words, as a hand-written saved file and the kernel's listing may."""

from __future__ import annotations

from typing import TypeAlias

from natfix.ruleset.options import Option
from natfix.ruleset.rule import Rule, network_of

Meaning: TypeAlias = tuple[tuple[str, str, bool, str], ...]


def same_meaning(one: Rule, other: Rule) -> bool:
    """Compare chain, options and values; the order of options and the spelling of networks do not count."""
    return one.chain == other.chain and (one.spec == other.spec or _meaning(one) == _meaning(other))


def _meaning(rule: Rule) -> Meaning:
    # "-m tcp" is implied by "-p tcp --dport 80": a module name alone says nothing that its options do not say.
    return tuple(sorted(_said(option) for option in rule.options if option.name != "match"))


def _said(option: Option) -> tuple[str, str, bool, str]:
    network = network_of(option) if option.name in {"source", "destination"} else None
    return option.owner, option.name, option.negated, str(network or option.value)
