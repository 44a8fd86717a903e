"""From findings to the smallest plan that ends them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from natfix.audit import Finding, Subject
from natfix.audit.analyses import corrected_twin
from natfix.errors import NatfixError
from natfix.plan.edit import Edit, Plan, exclude
from natfix.ruleset import Rule


def repair(subject: Subject, findings: Iterable[Finding]) -> Plan:
    """Plan what natfix may correct by itself; findings without a fix, and those only possible, are left alone.

    Raises:
        NatfixError: an audit rule wants a broad rule deleted that has no corrected form.
    """
    plans = [_correction(subject, finding) for finding in findings if finding.correctable]
    edits = dict.fromkeys(_placed(subject, edit) for plan in plans for edit in plan.edits)
    chains = {name: specs for plan in plans for name, specs in plan.chains.items()}
    held = {name: tuple(rule.spec for rule in chain.rules) for name in chains if (chain := subject.table.chain(name))}
    return Plan(
        tuple(_each_new_once(sorted(edits, key=lambda edit: edit.old.line))),
        {name: specs for name, specs in chains.items() if held.get(name) != specs},
        {name: specs for name, specs in held.items() if chains[name] != specs},
    )


def _placed(subject: Subject, edit: Edit) -> Edit:
    """The edit from the first copy of its old rule, with what stands in the chain already."""
    chain = subject.table.chain(edit.chain)
    rules = chain.rules if chain else ()
    first, *copies = (rule for rule in rules if rule == edit.old)
    return Edit(first, edit.new, edit.new in rules, tuple(rule.number for rule in copies))


def _each_new_once(edits: Iterable[Edit]) -> Iterator[Edit]:
    """Mark edits whose new rule an earlier one brings: two broad rules can have the same corrected form."""
    brought: set[Rule] = set()
    for edit in edits:
        yield replace(edit, kept=edit.kept or edit.new in brought)
        brought.add(edit.new)


def _correction(subject: Subject, finding: Finding) -> Plan:
    if finding.kind.fix == "exclude-cluster":
        return exclude(finding.rule, subject.cluster, subject.table)
    twin = corrected_twin(finding.rule, subject)
    if twin is None:
        raise NatfixError(f"{finding.kind.id} wants this rule deleted, but its corrected form is not there: {finding.rule}")
    return Plan((Edit(finding.rule, twin),))
