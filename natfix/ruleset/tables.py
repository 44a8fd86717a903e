"""A ruleset as a value: tables, chains and rules over the lines they were read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, TypeAlias

from natfix.errors import RulesetSyntaxError
from natfix.ruleset.addresses import Family
from natfix.ruleset.options import OptionError
from natfix.ruleset.rule import Counters, Rule
from natfix.ruleset.words import WordError
from natfix.ruleset.written import check_addresses

Variant: TypeAlias = Literal["nft", "legacy"]
"""Which of the two implementations of iptables holds tables; one host can have both, and the kernel asks both."""
_OTHER_HALF = "tables present"


@dataclass(frozen=True)
class Chain:
    """One chain of one table; its rules are cut into words when somebody asks for them.

    Attributes:
        name: as declared.
        policy: ``ACCEPT``, ``DROP``, or ``-`` for a user-defined chain.
        counters: the policy's, when printed.
        places: 0-based indexes into *lines* of the chain's rules.
        lines: every line of the text the chain came from.
        source: name of that text, for errors.
        family: of its table; None where no address is of the wrong one.
    """

    name: str
    policy: str
    counters: Counters | None
    places: Sequence[int]
    lines: Sequence[str]
    source: str
    family: Family | None = None

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in order.

        Raises:
            RulesetSyntaxError: a line of this chain is no rule; it points at the place.
        """
        return tuple(self._rule(number, place) for number, place in enumerate(self.places, 1))

    def _rule(self, number: int, place: int) -> Rule:
        line = self.lines[place].rstrip("\r")
        start, counters = 0, None
        if line.startswith("["):
            start = line.index("] ") + 2
            counters = Counters.parse(line[1 : start - 2])
        start += len(f"-A {self.name} ")
        rule = Rule(self.name, line[start:].rstrip(" "), counters, place + 1, number)
        try:
            check_addresses(rule.options, self.family)
            return _without_inline_counters(rule)
        except (WordError, OptionError) as error:
            raise RulesetSyntaxError(
                str(error),
                source=self.source,
                line=place + 1,
                column=start + error.column + 1,
                text=line,
            ) from error


def _without_inline_counters(rule: Rule) -> Rule:
    """Move ``-c PACKETS BYTES``, as iptables -S -v prints it, out of the words.

    Raises:
        WordError, OptionError: the words make no rule.
    """
    option = rule.option("set-counters")
    if option is None:
        return rule
    try:
        counters = Counters.parse(":".join(option.values))
    except ValueError:
        message = "-c takes the number of packets and the number of bytes"
        raise OptionError(message, option.start) from None
    spec = f"{rule.spec[: option.start].rstrip()} {rule.spec[option.stop :].lstrip()}".strip()
    return Rule(rule.chain, spec, counters, rule.line, rule.number)


@dataclass(frozen=True)
class Table:
    """One ``*table … COMMIT`` block.

    A host with 100,000 rules has 35,000 chains, of which POSTROUTING reaches a handful; so a chain is made when asked
    for.

    Attributes:
        name: ``nat``, ``filter``, …
        family: from the header comment, else from the addresses in the rules, else IPv4.
        start: 0-based index of the ``*table`` line.
        stop: 0-based index of its ``COMMIT`` line.
        declared: for each chain the 0-based index of its ``:NAME POLICY`` line, in order.
        places: for each chain the 0-based indexes of its rules, in order.
        lines: every line of the text.
        source: name of that text, for errors.
        variant: which iptables printed it, from the header above; None where no header tells.
    """

    name: str
    family: Family
    start: int
    stop: int
    declared: Mapping[str, int] = field(repr=False)
    places: Mapping[str, Sequence[int]] = field(repr=False)
    lines: Sequence[str] = field(repr=False)
    source: str
    variant: Variant | None = field(default=None, kw_only=True)
    _made: dict[str, Chain] = field(default_factory=dict, repr=False, compare=False)

    def chain(self, name: str) -> Chain | None:
        """Find a chain by name."""
        place = self.declared.get(name)
        if place is None:
            return None
        made = self._made.get(name)
        if made is None:
            _, policy, counters = (*self.lines[place].rstrip(" \r").split(" "), "")[:3]
            made = self._made[name] = Chain(
                name=name,
                policy=policy,
                counters=Counters.parse(counters[1:-1]) if counters else None,
                places=self.places.get(name, ()),
                lines=self.lines,
                source=self.source,
                family=self.family,
            )
        return made

    def reached_from(self, name: str) -> tuple[Chain, ...]:
        """The chain *name* and every chain a packet can come to from it, each once, in the order met."""
        met: dict[str, Chain] = {}
        waiting = [name]
        while waiting:
            chain = self.chain(waiting.pop(0))
            if chain is not None and chain.name not in met:
                met[chain.name] = chain
                waiting.extend(rule.target for rule in chain.rules)
        return tuple(met.values())


@dataclass(frozen=True)
class Ruleset:
    """What one iptables-save text says.

    Attributes:
        source: where the text came from: a file's name, ``-``, or ``iptables-nft on this host``.
        lines: the text cut at its newlines; joined by newlines they are the text again.
        tables: every block in order; a table can stand in a text more than once.
        warnings: ``# Warning`` lines, without the number sign.
        variant: of which backend the tables are, where the text holds those of both; None for all of a text.
    """

    source: str
    lines: tuple[str, ...]
    tables: tuple[Table, ...]
    warnings: tuple[str, ...] = ()
    variant: Variant | None = None

    @property
    def name(self) -> str:
        """The source, and which half of it this is: ``dump.save (iptables-nft)``."""
        return self.source if self.variant is None else f"{self.source} (iptables-{self.variant})"

    def by_backend(self) -> tuple[Ruleset, ...]:
        """The tables of iptables-nft and those of iptables-legacy, where the text holds both; else the ruleset itself."""
        variants: tuple[Variant, ...] = ("nft", "legacy")
        if not {*variants} <= {table.variant for table in self.tables}:
            return (self,)
        return tuple(self.half(variant) for variant in variants)

    def half(self, variant: Variant | None) -> Ruleset:
        """The tables of one backend over all lines of the text; everything for None."""
        if variant is None:
            return self
        # Each program warns of what it cannot show: iptables-nft of the other half, which is here, and of tables made with nft.
        warnings = tuple(each for each in self.warnings if variant == "nft" and _OTHER_HALF not in each)
        tables = tuple(table for table in self.tables if table.variant == variant)
        return replace(self, tables=tables, warnings=warnings, variant=variant)

    def table(self, name: str, family: Family) -> Table | None:
        """The block that iptables-restore would leave in force: the last one of that name and family."""
        found = None
        for table in self.tables:
            if table.name == name and table.family is family:
                found = table
        return found

    def in_force(self, name: str) -> Iterator[Table]:
        """The table *name* of each family that the text holds it for."""
        yield from (table for family in Family if (table := self.table(name, family)) is not None)

    def families(self, name: str) -> Iterator[Family]:
        """The families in which the table *name* stands in the text."""
        yield from (family for family in Family if self.table(name, family) is not None)
