"""From the text that iptables-save and ip6tables-save print to a ruleset.

Grammar, line by line (iptables/iptables-save.c, 1.4.21 to 1.8.13)::

    # anything                      a comment; the header names the program and with it the family
    *TABLE                          opens a table
    :CHAIN POLICY [PACKETS:BYTES]   declares a chain; the policy of a user-defined one is "-"
    [PACKETS:BYTES] -A CHAIN WORDS  a rule; the counters stand there with -c
    COMMIT                          closes the table

Every line is put in its place at once; a rule is cut into words only when its chain is asked for its rules, so that the
cost of reading a huge table is that of splitting it into lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from natfix.errors import RulesetSyntaxError, UnsupportedError
from natfix.ruleset.addresses import Family
from natfix.ruleset.tables import Ruleset, Table

_DECLARATION = re.compile(r":(\S+) (?:-|ACCEPT|DROP|QUEUE|RETURN)(?: \[\d+:\d+\])?[ \r]*\Z")
_COUNTED = re.compile(r"\[\d+:\d+\] (?=-A )")
_INCOMPATIBLE = re.compile(r"# Table `([^']+)' is incompatible")
_ADDRESS = re.compile(r" -(?:s|d|-to-source|-to-destination) (\S+)")
_HINT = "natfix reads what iptables-save or ip6tables-save prints; make one with: iptables-save > dump.save"


@dataclass
class _Block:
    """A table while its lines are read."""

    name: str
    family: Family | None
    start: int
    declared: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)


def parse(data: bytes, source: str, family: Family | None = None) -> Ruleset:
    """Read an iptables-save text.

    Args:
        data: the bytes; what is not UTF-8 survives unchanged.
        source: a name for the text, for errors and reports.
        family: to which family it belongs, when the caller knows.

    Raises:
        RulesetSyntaxError: the text is something else; points at the place.
        UnsupportedError: iptables-save itself could not read a table and said so in the text.
    """
    return _Reader(source, family).read(data.decode("utf-8", "surrogateescape"))


class _Reader:
    """Reads one text."""

    def __init__(self, source: str, family: Family | None) -> None:
        self.source = source
        self.given_family = family
        self.header_family: Family | None = None
        self.lines: list[str] = []
        self.tables: list[Table] = []
        self.warnings: list[str] = []

    def read(self, text: str) -> Ruleset:
        lines = self.lines = text.split("\n")
        block: _Block | None = None
        places: dict[str, list[int]] = {}
        index = -1
        for line in lines:
            index += 1  # noqa: SIM113  (this loop runs 100,000 times a host; enumerate costs a tuple each)
            if line[:3] == "-A ":
                stop = line.find(" ", 3)
                chain = line[3:stop] if stop > 0 else ""
                if chain in places:
                    places[chain].append(index)
                    continue
            block = self._line(block, index, line)
            places = block.places if block else {}
        if block is not None:
            problem = f"the table {block.name} is opened here and never closed with COMMIT"
            raise self._error(problem, block.start, hint="The text is cut off; make it again.")
        if not self.tables:
            raise self._error("the text holds no table", len(lines) - 1, hint=_HINT)
        return Ruleset(self.source, tuple(lines), tuple(self.tables), tuple(self.warnings))

    def _line(self, block: _Block | None, index: int, line: str) -> _Block | None:
        """Put one line in its place; give back the table that is open after it."""
        if block is None:
            return self._other(block, index, line)
        if line[:1] == ":":
            self._declaration(block, index, line)
        elif line[:3] == "-A ":
            self._rule(block, index, line, 3)
        elif line[:1] == "[" and (counted := _COUNTED.match(line)):
            self._rule(block, index, line, counted.end() + 3)
        else:
            return self._other(block, index, line)
        return block

    def _rule(self, block: _Block, index: int, line: str, start: int) -> None:
        stop = line.find(" ", start)
        chain = line[start:stop] if stop > 0 else line[start:].rstrip("\r")
        if chain not in block.declared:
            raise self._error(f"the chain {chain} is not declared in the table {block.name}", index, start)
        block.places.setdefault(chain, []).append(index)

    def _declaration(self, block: _Block, index: int, line: str) -> None:
        found = _DECLARATION.match(line)
        if found is None:
            raise self._error("a chain is declared as :NAME POLICY [PACKETS:BYTES]", index)
        block.declared[found[1]] = index

    def _other(self, block: _Block | None, index: int, line: str) -> _Block | None:
        word = line.rstrip("\r")
        if word.startswith("#"):
            self._comment(index, word)
        elif word.startswith("*") and len(word) > 1 and " " not in word:
            if block is not None:
                raise self._error(f"the table {block.name} is not closed with COMMIT before this one", index)
            return _Block(word[1:], self.given_family or self.header_family, index)
        elif word == "COMMIT" and block is not None:
            self._close(block, index)
            return None
        elif word:
            raise self._error(self._problem(block, word), index, hint=_HINT)
        return block

    def _problem(self, block: _Block | None, word: str) -> str:
        if block is None and word.startswith((":", "-A ", "[", "COMMIT")):
            return "this line stands outside of any table"
        if word.startswith("-"):
            return "only -A stands in what iptables-save prints"
        return "this is no line of iptables-save"

    def _comment(self, index: int, line: str) -> None:
        incompatible = _INCOMPATIBLE.match(line)
        if incompatible:
            message = f"{self.source}, line {index + 1}: iptables-save could not read the table {incompatible[1]}: {line[2:]}"
            hint = "A rule in it was written with nft; nothing can be said of this table from here. See it with: nft list ruleset"
            raise UnsupportedError(message, hint=hint)
        if line.startswith("# Generated by "):
            self.header_family = Family.IPV6 if line.startswith("# Generated by ip6") else Family.IPV4
        elif line.startswith("# Warning"):
            self.warnings.append(line[2:])

    def _close(self, block: _Block, index: int) -> None:
        family = block.family or _guess_family(self.lines[place] for places in block.places.values() for place in places)
        self.tables.append(
            Table(block.name, family, block.start, index, block.declared, block.places, self.lines, self.source)
        )

    def _error(self, problem: str, index: int, column: int = 0, hint: str | None = None) -> RulesetSyntaxError:
        text = self.lines[index].rstrip("\r")
        return RulesetSyntaxError(problem, source=self.source, line=index + 1, column=column + 1, text=text, hint=hint)


def _guess_family(lines: Iterable[str]) -> Family:
    """Tell the family from the first address met."""
    for line in lines:
        for found in _ADDRESS.finditer(line):
            return Family.IPV6 if found[1].count(":") > 1 else Family.IPV4
    return Family.IPV4
