"""What of a listing of nft decides about addresses, in the form in which nft takes it again: ``nft -j -f``. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from natfix.nft import opaque

Object: TypeAlias = Mapping[str, Any]

_FAMILIES: Final = frozenset({"ip", "ip6", "inet"})
_HOOKS: Final = frozenset({"prerouting", "input", "output", "postrouting"})
# What makes a chain call to be a hook; without it others can still call the chain.
_HOOKED: Final = frozenset({"type", "hook", "prio", "policy", "dev"})
_MARKS: Final = ({"meta": {"key": "mark"}}, {"ct": {"key": "mark"}})
# Bound to devices of the host, or no part of a ruleset.
_LEFT_OUT: Final = frozenset({"metainfo", "flowtable"})
# In this order each finds what it refers to; objects of other kinds are between chains and rules.
_ORDER: Final = {"table": 0, "chain": 1, "rule": 4}
_SETS: Final = frozenset({"set", "map"})


def for_trial(listing: Mapping[str, Any], told: Collection[tuple[str, str]] = ()) -> tuple[Object, ...]:
    """Leave of a listing the chains that translate addresses, those that mark packets for them, and what they refer to.

    Chains that only let packets through or not are left out, as are tables without any other.

    Args:
        listing: what nft printed.
        told: tables of iptables (family and name) that iptables itself tells of; what others keep in them stays.

    Returns:
        Objects in an order in which nft takes them; none where nothing in the listing decides about addresses.
    """
    tables = _tables(listing["nftables"])
    kept = [each for table in tables for each in table.kept(is_told=table.names in told)]
    return tuple(sorted(kept, key=_place))


def named_devices(objects: Iterable[Object]) -> tuple[str, ...]:
    """The devices that rules know by their number (``iif``, ``oif``): nft takes such a rule only where they are."""
    matches = (inner for each in objects for kind, inner in _within(each) if kind == "match" and isinstance(inner, Mapping))
    found = (name for match in matches if _asks_for_number(match["left"]) for name in _strings(match["right"]))
    return tuple(dict.fromkeys(name for name in found if name != "lo" and not name.startswith("@")))


def written(objects: Iterable[Object]) -> bytes:
    """Write objects as a listing; nothing without any."""
    found = list(objects)
    return json.dumps({"nftables": found}).encode("utf-8", "surrogateescape") if found else b""


def loadable(objects: Iterable[Object]) -> bytes:
    """Write objects as what ``nft -j -f`` reads; for a rule that iptables alone can load stands one that does nothing."""
    return written({"rule": _bare(each["rule"])} if "rule" in each else each for each in objects)


def _bare(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    kept = {key: value for key, value in rule.items() if key != opaque.WORDS}
    if opaque.is_hidden(rule):
        return {**kept, "expr": [{"counter": None}]}
    # What nft says in its own words alone ("add @seen { ip saddr : 5 }") it does not take in JSON.
    return {**kept, "expr": [one for one in opaque.plain(rule["expr"]) if not isinstance(one, str)]}


def replacing(objects: Iterable[Object]) -> tuple[str, ...]:
    """The commands that put the rules that iptables alone can load into their places, one each."""
    numbers: dict[tuple[str, str, str], int] = {}
    commands = []
    for rule in (each["rule"] for each in objects if "rule" in each):
        place = rule["family"], rule["table"], rule["chain"]
        numbers[place] = numbers.get(place, 0) + 1
        if opaque.WORDS in rule:
            program = "iptables-nft" if place[0] == "ip" else "ip6tables-nft"
            commands.append(f"{program} -t {place[1]} -R {place[2]} {numbers[place]} {rule[opaque.WORDS]}")
    return tuple(commands)


@dataclass
class _Table:
    head: Object
    chains: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    others: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    @property
    def names(self) -> tuple[str, str]:
        """Its family and its own name."""
        return self.head["table"]["family"], self.head["table"]["name"]

    def kept(self, *, is_told: bool) -> Iterator[Object]:
        """What is left of the table."""
        hooked = [name for name, chain in self.chains.items() if "hook" in chain]
        bases = [name for name in hooked if self._decides(name) and not (is_told and name in opaque.CHAINS)]
        if not bases:
            return
        reached = self._reached(bases)
        yield self.head
        for name in reached:
            chain = self.chains[name]
            kept = name in bases or "hook" not in chain
            yield {"chain": chain if kept else {key: value for key, value in chain.items() if key not in _HOOKED}}
            yield from ({"rule": rule} for rule in self.rules.get(name, ()))
        asked = set(_sets_asked_for(rule for name in reached for rule in self.rules.get(name, ())))
        yield from ({kind: other} for kind, other in self.others if kind not in _SETS or other["name"] in asked)

    def _decides(self, base: str) -> bool:
        """Whether a chain that the kernel calls translates addresses, or changes what those that do may ask for."""
        chain = self.chains[base]
        if chain["type"] == "nat":
            return True
        rules = (rule for name in self._reached([base]) for rule in self.rules.get(name, ()))
        return chain["hook"] in _HOOKS and any(_changes(one) for rule in rules for one in rule["expr"])

    def _reached(self, bases: Iterable[str]) -> list[str]:
        """These chains and all that they call, by rules and by maps of verdicts."""
        found = dict.fromkeys(bases)
        waiting = list(found)
        while waiting:
            rules = self.rules.get(waiting.pop(), ())
            asked = set(_sets_asked_for(rules))
            maps = [other for kind, other in self.others if kind == "map" and other["name"] in asked]
            new = [each for each in _called([*rules, *maps]) if each in self.chains and each not in found]
            found.update(dict.fromkeys(new))
            waiting += new
        return list(found)


def _tables(objects: Iterable[Object]) -> list[_Table]:
    found: dict[tuple[str, str], _Table] = {}
    for each in objects:
        ((kind, value),) = each.items()
        if kind == "table" and value["family"] in _FAMILIES:
            found[value["family"], value["name"]] = _Table(each)
        table = found.get((value.get("family", ""), value.get("table", "")))
        if table is None or kind in _LEFT_OUT:
            continue
        if kind == "chain":
            table.chains[value["name"]] = value
        elif kind == "rule":
            table.rules.setdefault(value["chain"], []).append(value)
        else:
            table.others.append((kind, value))
    return list(found.values())


def _place(each: Object) -> int:
    ((kind, _),) = each.items()
    return _ORDER.get(kind, 3 if kind in _SETS else 2)


def _changes(one: Mapping[str, Any]) -> bool:
    return "notrack" in one or "xt" in one or ("mangle" in one and one["mangle"]["key"] in _MARKS)


def _called(values: Sequence[Any]) -> Iterator[str]:
    return (inner["target"] for value in values for kind, inner in _within(value) if kind in {"jump", "goto"})


def _sets_asked_for(rules: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    return (text[1:] for rule in rules for text in _strings(rule["expr"]) if text.startswith("@"))


def _asks_for_number(left: Any) -> bool:  # noqa: ANN401  (JSON)
    return any(kind == "meta" and inner.get("key") in {"iif", "oif"} for kind, inner in _within(left))


def _within(value: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  (JSON)
    """Every member of every object inside a value."""
    if isinstance(value, Mapping):
        for kind, inner in value.items():
            yield kind, inner
            yield from _within(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _within(each)


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401  (JSON)
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)
