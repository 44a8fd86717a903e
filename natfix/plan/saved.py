"""What belongs into the file that is loaded at boot: natfix's corrections, and nothing else of the running ruleset."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from natfix.audit import AuditRule, Subject, audit_table
from natfix.audit.actor import OWN_PREFIX
from natfix.audit.analyses import without_destination
from natfix.audit.subject import HOOK, excluded_destination
from natfix.packets import SOURCE_NAT_TARGETS, Intervals
from natfix.plan.edit import Edit, Plan
from natfix.plan.merge import take_out
from natfix.plan.repair import repair
from natfix.plan.rewrite import rewrite
from natfix.ruleset import Family, Rule, Ruleset, Table, parse, render, same_meaning

_EMPTY_NAT: Final = """\
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
COMMIT
"""


def corrections(running: Subject) -> Plan:
    """The corrected rules that stand in POSTROUTING now, each as an edit from its broad form, with natfix's own chains."""
    chain = running.table.chain(HOOK)
    edits: list[Edit] = []
    chains: dict[str, tuple[str, ...]] = {}
    for rule in chain.rules if chain else ():
        own = running.table.chain(rule.target) if rule.target.startswith(OWN_PREFIX) else None
        if own is not None and own.rules:
            chains[own.name] = tuple(each.spec for each in own.rules)
            edits.append(Edit(_direct(rule, own.rules[-1]), rule))
        elif _is_corrected(rule, running):
            edits.append(Edit(without_destination(rule), rule))
    return Plan(tuple(edits), chains)


def _direct(rule: Rule, last: Rule) -> Rule:
    """The rule that leads to the target of *last* itself instead of to the chain of natfix's own that ends with it."""
    place, target = (next(option for option in each.options if option.name in {"jump", "goto"}).start for each in (rule, last))
    return Rule(rule.chain, rule.spec[:place] + last.spec[target:])


def save_into(saved: bytes | None, source: str, running: Subject, catalogue: Iterable[AuditRule]) -> bytes | None:
    """Bring the saved text to hold every correction of the running ruleset, all else byte for byte.

    Args:
        saved: the file now; None when there is none.
        source: its name.
        running: the nat table of the kernel, corrected.
        catalogue: the audit rules, for broad rules that the file itself holds.

    Returns:
        The new text; None when the file is right as it is, or there is nothing to save.

    Raises:
        RulesetSyntaxError: the file is no iptables-save text.
    """
    wanted = corrections(running)
    text = saved or b""
    ruleset = _holding_nat(text, source, running.family)
    if ruleset is None:
        if not wanted:
            return None
        ruleset = parse(_with_nat(text), source, running.family)
    ruleset = _corrected(ruleset, running, catalogue)
    table = _nat(ruleset, running.family)
    ruleset = rewrite(ruleset, table, _missing(wanted, table), same=same_meaning, add=True)
    data = render(ruleset)
    return None if data == saved else data


def take_from(saved: bytes, source: str, family: Family, before: bytes | None, after: bytes) -> bytes:
    """Take what natfix saved out of a text that somebody else has changed since; an empty nat table stays.

    Args:
        saved: the file now.
        source: its name.
        family: of the ruleset in it.
        before: the file before natfix saved into it; None when there was none.
        after: what natfix made of it.
    """
    text = before or b""
    return take_out(saved, text if _holding_nat(text, source, family) else _with_nat(text), after)


def _corrected(ruleset: Ruleset, running: Subject, catalogue: Iterable[AuditRule]) -> Ruleset:
    """Correct the broad rules that the file itself holds."""
    subject = Subject(_nat(ruleset, running.family), running.cluster, running.bridges, running.devices)
    return rewrite(ruleset, subject.table, repair(subject, audit_table(subject, catalogue)))


def _missing(wanted: Plan, table: Table) -> Plan:
    """The part of *wanted* that the table does not hold yet."""
    held = {name: tuple(rule.spec for rule in chain.rules) for name in wanted.chains if (chain := table.chain(name))}
    return Plan(wanted.edits, {name: specs for name, specs in wanted.chains.items() if held.get(name) != specs})


def _nat(ruleset: Ruleset, family: Family) -> Table:
    table = ruleset.table("nat", family)
    assert table is not None, "save_into has put one there"  # noqa: S101
    return table


def _holding_nat(text: bytes, source: str, family: Family) -> Ruleset | None:
    """Read a saved text; None when it holds no nat table."""
    if not text.strip():
        return None
    ruleset = parse(text, source, family)
    return None if ruleset.table("nat", family) is None else ruleset


def _with_nat(text: bytes) -> bytes:
    ending = b"\r\n" if text.partition(b"\n")[0].endswith(b"\r") else b"\n"
    gap = ending if text and not text.endswith(b"\n") else b""
    return text + gap + _EMPTY_NAT.encode().replace(b"\n", ending)


def _is_corrected(rule: Rule, running: Subject) -> bool:
    source, excluded = rule.network("source"), excluded_destination(rule)
    return (
        rule.target in SOURCE_NAT_TARGETS
        and source is not None
        and excluded is not None
        and running.is_local(source)
        and running.cluster_addresses <= Intervals.networks([excluded])
    )
