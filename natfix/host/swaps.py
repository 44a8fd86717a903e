"""The scripts that are nothing but swaps: a rule goes, and comes back with ``! -d NETWORK`` added, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from natfix.host.script import Step
from natfix.ruleset import Option, Rule


class Swap(NamedTuple):
    """One rule to delete, and its twin to insert, if any."""

    delete: Step
    insert: Step | None


def swaps_of(steps: Sequence[Step]) -> tuple[Swap, ...]:
    """Cut a script into swaps; nothing when it holds anything else."""
    swaps: list[Swap] = []
    for step in steps:
        if step.verb in {"*nat", "COMMIT"}:
            continue
        if step.verb == "-D" and step.rule:
            swaps.append(Swap(step, None))
        elif swaps and swaps[-1].insert is None and _is_twin(swaps[-1].delete, step):
            swaps[-1] = Swap(swaps[-1].delete, step)
        else:
            return ()
    return tuple(swaps)


def _is_twin(delete: Step, insert: Step) -> bool:
    """Tell whether *insert* puts the deleted rule back with ``! -d NETWORK`` added, and nothing else."""
    if insert.verb != "-I" or insert.chain != delete.chain or insert.rule is None or delete.rule is None:
        return False
    added = insert.rule.destination
    if delete.rule.destination is not None or added is None or not added.negated:
        return False
    return _meaning(insert.rule) == _meaning(delete.rule)


def _meaning(rule: Rule) -> list[Option]:
    """The options of a rule without its destination, and without their places in the line."""
    return [option._replace(start=0, stop=0) for option in rule.options if option.name != "destination"]
