"""From a change that was made to the plan that takes it back, as far as it is still there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from natfix.plan.edit import Edit, Plan
from natfix.plan.rewrite import Same
from natfix.ruleset import Rule, Table


def inverse(plan: Plan, table: Table, *, same: Same = Rule.__eq__) -> Plan:
    """Plan the way back from *plan* in the table as it is now; what somebody else has removed since stays removed.

    Args:
        plan: what was done.
        table: the table now.
        same: when two rules are the same one; words by default.
    """
    edits: list[Edit] = []
    inserts: list[Rule] = []
    for edit in reversed(plan.edits):
        old, new = _find(table, edit.old, same), _find(table, edit.new, same)
        if new is None:
            continue
        if not edit.kept:
            edits.append(Edit(new, old or edit.old))
        elif old is None:
            inserts.append(edit.old)
        if old is None:
            inserts.extend(replace(edit.old, number=number) for number in edit.copies)
    # From the top down, so that each comes to its number.
    inserts.sort(key=lambda rule: (rule.chain, rule.number))
    return Plan(tuple(dict.fromkeys(edits)), dict(_chains_back(plan, table, edits)), inserts=tuple(inserts))


def _find(table: Table, wanted: Rule, same: Same) -> Rule | None:
    chain = table.chain(wanted.chain)
    return next((rule for rule in (chain.rules if chain else ()) if same(rule, wanted)), None)


def _chains_back(plan: Plan, table: Table, edits: list[Edit]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What natfix's own chains held before; one that is gone, or that a rule still leads to, is left alone."""
    leaving = {edit.old for edit in edits}
    for name in plan.chains:
        before = plan.before.get(name, ())
        used = any(rule.target == name for chain in table.declared for rule in _rules(table, chain) if rule not in leaving)
        if table.chain(name) is not None and (before or not used):
            yield name, before


def _rules(table: Table, name: str) -> tuple[Rule, ...]:
    chain = table.chain(name)
    return chain.rules if chain else ()
