"""A plan applied to a text: only the lines it speaks of change, all others stay byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from natfix.errors import ConflictError
from natfix.plan.edit import Plan
from natfix.ruleset import Rule, Ruleset, Table, parse, render

Same = Callable[[Rule, Rule], bool]


def rewrite(ruleset: Ruleset, table: Table, plan: Plan, *, same: Same = Rule.__eq__, add: bool = False) -> Ruleset:
    """Carry *plan* out in the text of *ruleset*.

    Args:
        ruleset: the text, or the tables of one backend in it.
        table: the table of it that is meant.
        plan: what shall change.
        same: when two rules are the same one; words by default.
        add: put a new rule first in its chain when the old one is not there, instead of refusing.

    Raises:
        ConflictError: the old rule of an edit is not there, and *add* is not given.
    """
    text = _Text(ruleset, table)
    for name, specs in plan.chains.items():
        text.set_chain(name, specs)
    for edit in plan.edits:
        text.replace(edit.old, edit.new, same, add=add)
    for rule in plan.inserts:
        text.insert(rule, rule.number)
    # A text of one family may lack what tells it; one of both tells them as it did before.
    one = ruleset.variant is None and len({each.family for each in ruleset.tables}) == 1
    return parse(text.render(), ruleset.source, table.family if one else None).half(ruleset.variant)


@dataclass(eq=False, slots=True)
class _Standing:
    """A rule where it stands while the text changes.

    Attributes:
        rule: the rule.
        index: the line it is, or before which it is put.
        put: whether natfix put it there.
    """

    rule: Rule
    index: int
    put: bool = False


class _Text:
    """The lines of a ruleset while they change; None stands for a line that went."""

    def __init__(self, ruleset: Ruleset, table: Table) -> None:
        self.lines: list[str | None] = list(ruleset.lines)
        self.table = table
        self.ending = "\r" if ruleset.lines[table.start].endswith("\r") else ""
        self.before: dict[int, list[str | _Standing]] = {}
        self.chains: dict[str, list[_Standing]] = {}

    def render(self) -> bytes:
        lines: list[str] = []
        for index, line in enumerate(self.lines):
            lines += [self._line(each) for each in self.before.get(index, [])]
            if line is not None:
                lines.append(line)
        return render(Ruleset("", tuple(lines), ()))

    def replace(self, old: Rule, new: Rule, same: Same, *, add: bool) -> None:
        standing = self._standing(old.chain)
        copies = [each for each in standing if same(each.rule, old)]
        present = any(same(each.rule, new) for each in standing)
        if not copies and not present and not add:
            raise ConflictError(f"{self.table.source}: the rule is not there: {old}")
        for each in copies:
            if present:
                self._remove(each)
            else:
                self._swap(each, new)
                present = True
        if not present:
            self.insert(new, 1)

    def insert(self, rule: Rule, number: int) -> None:
        """Put *rule* into its chain so that it is the one of *number* there, or the last of a shorter chain."""
        if rule.chain not in self.table.declared:
            self._declare(rule.chain)
        standing = self._standing(rule.chain)
        place = min(max(number, 1) - 1, len(standing))
        follower = standing[place] if place < len(standing) else None
        made = _Standing(rule, follower.index if follower else self._end(rule.chain), put=True)
        others = self.before.setdefault(made.index, [])
        others.insert(others.index(follower) if follower and follower.put else len(others), made)
        standing.insert(place, made)

    def set_chain(self, name: str, specs: Iterable[str]) -> None:
        specs = tuple(specs)
        end = self._end(name)
        for each in list(self._standing(name)):
            self._remove(each)
        declared = self.table.declared.get(name)
        if not specs and declared is not None:
            self.lines[declared] = None
        elif specs and declared is None:
            self._declare(name)
        self.before.setdefault(end, []).extend(f"-A {name} {spec}" for spec in specs)

    def _standing(self, name: str) -> list[_Standing]:
        """The rules of a chain as it has become."""
        if name not in self.chains:
            chain = self.table.chain(name)
            self.chains[name] = [_Standing(rule, rule.line - 1) for rule in (chain.rules if chain else ())]
        return self.chains[name]

    def _end(self, name: str) -> int:
        """The line before which a chain goes on: behind its last rule, else behind all rules."""
        places = self.table.places.get(name, ())
        return places[-1] + 1 if places else self.table.stop

    def _remove(self, each: _Standing) -> None:
        self.chains[each.rule.chain].remove(each)
        if each.put:
            self.before[each.index].remove(each)
        else:
            self.lines[each.index] = None

    def _swap(self, each: _Standing, new: Rule) -> None:
        each.rule = Rule(new.chain, new.spec, each.rule.counters)
        if not each.put:
            self.lines[each.index] = self._line(each)

    def _declare(self, name: str) -> None:
        policy = "ACCEPT" if name == "POSTROUTING" else "-"
        others = self.before.setdefault(max((self.table.start, *self.table.declared.values())) + 1, [])
        place = sum(isinstance(each, str) and each.startswith(":") for each in others)
        others.insert(place, f":{name} {policy} [0:0]")

    def _line(self, each: str | _Standing) -> str:
        if isinstance(each, str):
            return each + self.ending
        counters = each.rule.counters
        counted = f"[{counters.packets}:{counters.bytes}] " if each.put is False and counters else ""
        return f"{counted}{each.rule}{self.ending}"
