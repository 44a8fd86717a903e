"""Read ``nft -j list ruleset`` (libnftables-json(5))."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from natfix.errors import RulesetSyntaxError
from natfix.nft import opaque
from natfix.nft.chains import laid_out
from natfix.nft.expressions import steps_of
from natfix.nft.matches import Matches
from natfix.nft.rule import MADE, NftChain, NftRule, chain_name
from natfix.nft.sets import filled_sets
from natfix.nft.spelling import spelled
from natfix.packets.ipset import IpSet
from natfix.packets.trace import Place
from natfix.ruleset import Family, Rule, Table

_FAMILIES: Final = {"ip": (Family.IPV4,), "ip6": (Family.IPV6,), "inet": (Family.IPV4, Family.IPV6)}
_PRIORITIES: Final = {"raw": -300, "mangle": -150, "dstnat": -100, "filter": 0, "security": 50, "srcnat": 100}
_HINT: Final = "natfix reads what this prints: nft -j list ruleset"


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain that the kernel calls.

    Attributes:
        table: a table in the words of iptables that holds the chain and those it calls; its name is ``nat`` for a chain of type
            nat, else ``filter``.
        chain: its name.
        hook: ``POSTROUTING``.
        priority: lower is asked first; 100 is srcnat.
        origin: for people: ``table ip docker-bridges``.
        ipsets: the sets its rules refer to.
        built_in: the table and the chain of iptables that it is; empty for one of anybody else's.
    """

    table: Table
    chain: str
    hook: str
    priority: int
    origin: str
    ipsets: Mapping[str, IpSet] = field(default_factory=dict)
    built_in: str = ""

    @property
    def place(self) -> Place:
        """The chain as packets come to it on their way."""
        return Place(self.table, self.chain, self.origin, self.hook, self.priority, self.ipsets)

    @property
    def hooked(self) -> Table:
        """The table with this chain under the name of its hook, as iptables calls a chain that the kernel calls."""
        chain = self.table.chain(self.chain)
        assert chain is not None, "a base chain is in its table"  # noqa: S101
        made = {name: each for name in self.table.declared if (each := self.table.chain(name)) is not None}
        named = NftChain(self.hook, chain.policy, None, (), (), chain.source, translated=chain.rules)
        found = {**made, self.hook: named}
        return replace(self.table, declared=dict.fromkeys(found, 0), _made=found)


@dataclass(frozen=True, slots=True)
class NftRuleset:
    """nftables' own tables of a host.

    Attributes:
        source: the text they come from.
        chains: the base chains in the order of their priorities; of those with one priority the kernel asks first what came
            last (nf_hook_entries_grow), and nft lists tables as they came.
    """

    source: str
    chains: tuple[BaseChain, ...]

    def beside(self, tables: Iterable[tuple[Family, str]]) -> NftRuleset:
        """Leave out what iptables itself tells of *tables*; what others keep in them stays."""
        told = set(tables)
        return replace(self, chains=tuple(each for each in self.chains if (each.table.family, each.built_in) not in told))

    def of(self, family: Family, hook: str, kind: str = "nat") -> tuple[BaseChain, ...]:
        """The base chains of a family at a hook, in the order the kernel asks them."""
        return tuple(
            each for each in self.chains if each.table.family is family and each.hook == hook and each.table.name == kind
        )


def parse_nft(data: bytes, source: str) -> NftRuleset:
    """Read a listing.

    Raises:
        RulesetSyntaxError: it is no listing that nft prints as JSON.
    """
    try:
        objects = json.loads(data)["nftables"]
        tables = _tables(objects)
        chains = [chain for table in tables for chain in table.base_chains(source)]
    except json.JSONDecodeError as error:
        raise RulesetSyntaxError(
            f"this is no JSON: {error.msg}", source=source, line=error.lineno, column=error.colno, hint=_HINT
        ) from error
    except RecursionError as error:
        raise RulesetSyntaxError("this JSON is nested too deep", source=source, line=1, hint=_HINT) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RulesetSyntaxError(f"this JSON is not what nft prints: {error!r}", source=source, line=1, hint=_HINT) from error
    came = {(each.origin, each.chain): place for place, each in enumerate(chains)}
    asked = sorted(chains, key=lambda each: (each.priority, -came[each.origin, each.chain]))
    return NftRuleset(source, tuple(asked))


@dataclass
class _NftTable:
    """One table as it was listed."""

    family: str
    name: str
    chains: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    rules: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)
    sets: dict[str, Sequence[Any]] = field(default_factory=dict)

    def base_chains(self, source: str) -> Iterator[BaseChain]:
        bases = [chain for chain in self.chains.values() if "hook" in chain]
        filled = filled_sets(one for rules in self.rules.values() for rule in rules for one in rule["expr"])
        for family in _FAMILIES.get(self.family, ()) if bases else ():
            translated = {name: _Translated(self, name, family, filled) for name in self.chains}
            ipsets = {name: each for chain in translated.values() for name, each in chain.ipsets.items()}
            for base in bases:
                kind = "nat" if base["type"] == "nat" else "filter"
                table = self._table(kind, family, translated.values(), source)
                origin = f"table {self.family} {self.name}"
                own = self.name if opaque.is_iptables(self.family, self.name) and base["name"] in opaque.CHAINS else ""
                yield BaseChain(table, base["name"], base["hook"].upper(), _priority(base["prio"]), origin, ipsets, own)

    def _table(self, kind: str, family: Family, chains: Iterable[_Translated], source: str) -> Table:
        made = {}
        lines = itertools.count(1)
        for chain in chains:
            for name, rules in chain.all.items():
                policy = str(self.chains.get(name, {}).get("policy", "-")).upper()
                # A line tells rules apart, as it does in a text.
                placed = tuple(replace(rule, line=next(lines)) for rule in rules)
                made[name] = NftChain(name, policy, None, (), (), source, translated=placed)
        return Table(kind, family, 0, 0, dict.fromkeys(made, 0), {}, (), source, dict(made))


class _Translated:
    """One chain, with those that its rules had to be parted into."""

    def __init__(self, table: _NftTable, name: str, family: Family, filled: frozenset[str]) -> None:
        self.all: dict[str, list[Rule]] = {name: []}
        self.ipsets: dict[str, IpSet] = {}
        for number, listed in enumerate(table.rules.get(name, ()), 1):
            place = f"{table.name}/{name}#{listed.get('handle', number)}"
            made = _Maker(name, number, listed)
            if opaque.WORDS in listed:
                self.all[name].append(made.rule(name, listed[opaque.WORDS]))
                continue
            matches = Matches(family, place, table.sets, filled)
            words, helpers = laid_out(steps_of(opaque.plain(listed["expr"]), matches), f"{MADE}{place}")
            self.ipsets |= matches.ipsets
            self.all[name] += [made.rule(name, each) for each in words]
            self.all |= {helper: [made.rule(helper, each) for each in further] for helper, further in helpers.items()}


@dataclass(frozen=True)
class _Maker:
    chain: str
    number: int
    listed: Mapping[str, Any]

    @cached_property
    def said(self) -> str:
        # Once for all the rules that it is in the words of iptables.
        return self.listed.get(opaque.WORDS) or spelled(opaque.plain(self.listed["expr"]))

    def rule(self, chain: str, words: str) -> Rule:
        return NftRule(chain, words, None, 0, self.number, self.said, int(self.listed.get("handle", 0)))


def _tables(objects: Sequence[Mapping[str, Any]]) -> list[_NftTable]:
    found: dict[tuple[str, str], _NftTable] = {}
    for each in objects:
        ((kind, value),) = each.items()
        if kind == "table":
            found[value["family"], value["name"]] = _NftTable(value["family"], value["name"])
            continue
        table = found.get((value.get("family"), value.get("table")))
        if table is None:
            continue
        if kind == "chain":
            name = chain_name(value["name"])
            table.chains[name] = {**value, "name": name}
        elif kind in {"set", "map"}:
            table.sets[value["name"]] = value.get("elem", ())
        elif kind == "rule":
            table.rules.setdefault(chain_name(value["chain"]), []).append(value)
    return list(found.values())


def _priority(value: int | str) -> int:
    if isinstance(value, int):
        return value
    name, sign, offset = value.replace(" ", "").partition("+" if "+" in value else "-")
    return _PRIORITIES[name] + (int(f"{sign}{offset}") if sign else 0)
