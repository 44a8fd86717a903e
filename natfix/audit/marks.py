"""Source NAT for a mark that no rule of the text sets: what a program leaves behind when it goes.

kube-proxy, CNI's portmap, netavark and tailscale ask for masquerade by marks (0x4000, 0x2000, 0x40000). When the chains that
set the mark are gone and the rule that waits for it is not, the mark is free for somebody else, whose packets are then hidden.
"""

from __future__ import annotations

from collections.abc import Iterator

from natfix.audit.hit import Hit
from natfix.audit.reach import every_packet
from natfix.audit.subject import Subject
from natfix.packets import SOURCE_NAT_TARGETS, Outcome, PacketSet
from natfix.packets.fields import parse_mark
from natfix.packets.match import match
from natfix.ruleset import Rule, Table

_SETTING = (" -j MARK ", " -j CONNMARK --restore-mark", " --tproxy-mark ")
_BITS = frozenset({"set-xmark", "set-mark", "or-mark", "xor-mark"})


def unset_mark(subject: Subject) -> Iterator[Hit]:
    """Source NAT rules that only marked packets come to, with a mark that no rule of the text sets; certain of no host."""
    if not subject.dumped or "filter" not in subject.filtering:
        return
    setters: list[int] | None = None
    for rule in subject.rules:
        if rule.target in SOURCE_NAT_TARGETS and (bits := _waits_for(subject, rule)):
            setters = _set_bits(subject) if setters is None else setters
            if not any(bits & each for each in setters):
                yield Hit(rule, f"waits for the mark {bits:#x}, which no rule of this text sets", certain=False)


def _waits_for(subject: Subject, rule: Rule) -> int:
    """The bits without which no packet comes to *rule*; 0 when it waits for none, or packets may come all the same."""
    if not any(each.mark for each in subject.rules):
        return 0
    outcomes = [each for packets in _packets(subject, rule) for each in subject.sent(packets)]
    mine = [each for each in outcomes if each.rule is not None and each.rule.line == rule.line]
    if not mine or not all(each.certain for each in mine):
        return 0
    return _common(mine)


def _packets(subject: Subject, rule: Rule) -> tuple[PacketSet, ...]:
    return match(rule, every_packet(subject), unreadable=frozenset({"mark"})).inside


def _common(outcomes: list[Outcome]) -> int:
    bits = outcomes[0].packets.mark.value
    for outcome in outcomes:
        bits &= outcome.packets.mark.value
    return bits


def _set_bits(subject: Subject) -> list[int]:
    """What rules anywhere in the text put into marks, those apart that POSTROUTING of nat comes to itself."""
    reached = {chain.name for chain in subject.chains}
    found: list[int] = []
    for table in (subject.table, *subject.filtering.values()):
        marking = _marking(table)
        found += [_sets(rule) for rule in marking if table is not subject.table or rule.chain not in reached]
    return found


def _sets(rule: Rule) -> int:
    """The bits that a rule may set; every one where that cannot be told."""
    try:
        return next(parse_mark(each.value)[0] for each in rule.target_options if each.name in _BITS)
    except (StopIteration, ValueError):
        return -1


def _marking(table: Table) -> Iterator[Rule]:
    """The rules of *table* that set marks; a table can hold 100,000 others, which are not even cut into words."""
    for name, places in table.places.items():
        for place in places:
            line = table.lines[place]
            if any(words in line for words in _SETTING):
                start = line.index(f"-A {name} ") + len(f"-A {name} ")
                yield Rule(name, line[start:].rstrip("\r "), line=place + 1)
