"""What only the other nat tables of the same host tell: the other backend, the other family."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.audit.hit import Hit, Statement
from natfix.audit.subject import HOOK, Subject, bridge_of, excluded_destination
from natfix.packets import SOURCE_NAT_TARGETS, Intervals
from natfix.ruleset import Family, Rule, Table


def split_backends(subject: Subject) -> Iterator[Hit]:
    """Source NAT rules that stand partly in iptables-nft and partly in iptables-legacy, or a text of one of both."""
    for warning in subject.warnings:
        if "tables present" in warning:
            yield Hit(Statement("", f"# {warning}"), "the text holds one of two rulesets; the kernel asks both")
    for other in (each for each in subject.beside if _is_other_half(each, subject)):
        mine = next(_source_nat(subject.table), None)
        if mine is not None and next(_source_nat(other), None) is not None:
            where = f"the part of {other.source} that iptables-{other.variant} printed" if subject.dumped else other.source
            yield Hit(mine, f"{where} holds source NAT rules too, and the kernel asks both")


def _is_other_half(other: Table, subject: Subject) -> bool:
    """Whether *other* is of the other backend; it is told once, of the table whose program sorts first."""
    if other.family is not subject.family:
        return False
    if subject.dumped:
        return (subject.table.variant, other.variant) == ("legacy", "nft")
    return other.source > subject.table.source


def unreadable_table(subject: Subject) -> Iterator[Hit]:
    """Tables that iptables-save could not print, because rules in them were written with nft."""
    for warning in subject.warnings:
        if warning.startswith("Table `"):
            name = warning.removeprefix("Table `").partition("'")[0]
            message = f"what the table {name} drops, accepts or marks is not in this text, and is not judged"
            yield Hit(Statement("", f"# {warning}"), message, table=name)


def family_left_out(subject: Subject) -> Iterator[Hit]:
    """IPv6 rules of bridges whose IPv4 rules are corrected, while nobody has named the cluster's IPv6 network."""
    if subject.family is not Family.IPV6 or subject.cluster:
        return
    corrected = {
        bridge_of(rule)
        for table in subject.beside
        if table.family is Family.IPV4
        for rule in _source_nat(table)
        if _is_corrected(rule)
    }
    for rule in _source_nat(subject.table):
        bridge = bridge_of(rule)
        if bridge in corrected - {""} and rule.destination is None and rule.network("source") is not None:
            message = f"rewrites IPv6 of {bridge} wherever it goes, while its IPv4 rule leaves the cluster alone"
            yield Hit(rule, message, certain=False)


def _source_nat(table: Table) -> Iterator[Rule]:
    return (rule for chain in table.reached_from(HOOK) for rule in chain.rules if rule.target in SOURCE_NAT_TARGETS)


def _is_corrected(rule: Rule) -> bool:
    """Whether *rule* excludes a network that is larger than its source and holds it."""
    source, excluded = rule.network("source"), excluded_destination(rule)
    if source is None or excluded is None or source == excluded:
        return False
    return Intervals.networks([source]) <= Intervals.networks([excluded])
