"""A plan as one kernel transaction: lines for ``iptables-restore --noflush``, addressed by content.

``-D`` with the whole rule and ``-I`` in one transaction are a compare-and-swap: when the rule has changed in between, iptables
refuses the whole script and nothing changes, on nft and on legacy alike (measured; docs/design.md). The place of ``-I`` is a
number, which a rule inserted in between can shift by one; whoever commits reads back and looks at the result.
"""

from __future__ import annotations

from natfix.errors import ConflictError
from natfix.plan.edit import Edit, Plan
from natfix.ruleset import Rule, Table


def compile_script(plan: Plan, table: Table) -> str:
    """Write *plan* as lines for iptables-restore.

    Raises:
        ConflictError: the old rule of an edit is not in *table*.
    """
    lines = [f"*{table.name}"]
    for name, specs in plan.chains.items():
        if specs:
            lines += [f":{name} - [0:0]", *(f"-A {name} {spec}" for spec in specs)]
    names = (*(edit.chain for edit in plan.edits), *(rule.chain for rule in plan.inserts))
    current = {name: _rules(table, name) for name in names}
    for edit in plan.edits:
        lines += _swap(edit, current[edit.chain])
    lines += [_insert(rule, current[rule.chain]) for rule in plan.inserts]
    for name, specs in plan.chains.items():
        if not specs:
            lines += [f"-F {name}", f"-X {name}"]
    return "\n".join([*lines, "COMMIT", ""])


def _rules(table: Table, name: str) -> list[Rule]:
    chain = table.chain(name)
    return list(chain.rules) if chain else []


def _insert(rule: Rule, rules: list[Rule]) -> str:
    """The line that puts *rule* back; *rules* follows it."""
    place = min(max(rule.number, 1), len(rules) + 1)
    rules.insert(place - 1, rule)
    return f"-I {rule.chain} {place} {rule.spec}"


def _swap(edit: Edit, rules: list[Rule]) -> list[str]:
    """The lines for one edit; *rules* follows what they do."""
    if edit.old not in rules:
        raise ConflictError(f"the rule is no longer there: {edit.old}")
    lines: list[str] = []
    present = edit.new in rules
    while edit.old in rules:
        place = rules.index(edit.old)
        counters = rules.pop(place).counters
        lines.append(f"-D {edit.chain} {edit.old.spec}")
        if not present:
            present = True
            rules.insert(place, edit.new)
            counted = f"-c {counters.packets} {counters.bytes} " if counters else ""
            lines.append(f"-I {edit.chain} {place + 1} {counted}{edit.new.spec}")
    return lines
