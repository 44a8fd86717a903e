"""A plan applied to a text: only the lines it speaks of change, all others stay byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from natfix.errors import ConflictError
from natfix.plan.edit import Plan
from natfix.ruleset import Rule, Ruleset, Table, parse, render

Same = Callable[[Rule, Rule], bool]


def rewrite(ruleset: Ruleset, table: Table, plan: Plan, *, same: Same = Rule.__eq__, add: bool = False) -> Ruleset:
    """Carry *plan* out in the text of *ruleset*.

    Args:
        ruleset: the text.
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
        text.put_back(rule)
    return parse(text.render(), ruleset.source, table.family)


class _Text:
    """The lines of a ruleset while they change; None stands for a line that went."""

    def __init__(self, ruleset: Ruleset, table: Table) -> None:
        self.lines: list[str | None] = list(ruleset.lines)
        self.table = table
        self.ending = "\r" if ruleset.lines[table.start].endswith("\r") else ""
        self.before: dict[int, list[str]] = {}

    def render(self) -> bytes:
        lines: list[str] = []
        for index, line in enumerate(self.lines):
            lines += self.before.get(index, [])
            if line is not None:
                lines.append(line)
        return render(Ruleset("", tuple(lines), ()))

    def insert(self, index: int, line: str) -> None:
        """Put a line before the one at *index*."""
        self.before.setdefault(index, []).append(line + self.ending)

    def replace(self, old: Rule, new: Rule, same: Same, *, add: bool) -> None:
        chain = self.table.chain(old.chain)
        rules = chain.rules if chain else ()
        copies = [rule for rule in rules if same(rule, old)]
        present = any(same(rule, new) for rule in rules)
        if not copies and not present and not add:
            raise ConflictError(f"{self.table.source}: the rule is not there: {old}")
        for rule in copies:
            self.lines[rule.line - 1] = None if present else self._line(rule, new)
            present = True
        if not present:
            self._add(new, rules)

    def put_back(self, rule: Rule) -> None:
        chain = self.table.chain(rule.chain)
        later = [each for each in (chain.rules if chain else ()) if each.number >= rule.number]
        self.insert(later[0].line - 1 if later else self.table.stop, str(rule))

    def set_chain(self, name: str, specs: Iterable[str]) -> None:
        chain = self.table.chain(name)
        for rule in chain.rules if chain else ():
            self.lines[rule.line - 1] = None
        specs = tuple(specs)
        declared = self.table.declared.get(name)
        if not specs and declared is not None:
            self.lines[declared] = None
        elif specs and declared is None:
            self._declare(name)
        for spec in specs:
            self.insert(self.table.stop, f"-A {name} {spec}")

    def _line(self, old: Rule, new: Rule) -> str:
        counters = f"[{old.counters.packets}:{old.counters.bytes}] " if old.counters else ""
        return f"{counters}{new}{self.ending}"

    def _add(self, new: Rule, rules: Iterable[Rule]) -> None:
        if new.chain not in self.table.declared:
            self._declare(new.chain)
        first = next((rule.line - 1 for rule in rules), self._rules_start())
        self.insert(first, str(new))

    def _declare(self, name: str) -> None:
        policy = "ACCEPT" if name == "POSTROUTING" else "-"
        self.insert(self._rules_start(), f":{name} {policy} [0:0]")

    def _rules_start(self) -> int:
        """The line before which a declaration belongs: behind the last declaration."""
        return max((self.table.start, *self.table.declared.values())) + 1
