"""What targets do with packets: rewrite their source, mark them, or nothing."""

from __future__ import annotations

from dataclasses import replace

from natfix.packets.bits import ALL_BITS, Change
from natfix.packets.fields import parse_mark
from natfix.packets.intervals import Intervals
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.piece import Piece
from natfix.ruleset import Rule, parse_network

SOURCE_NAT_TARGETS = frozenset({"MASQUERADE", "SNAT", "NETMAP", "SAME"})
DESTINATION_NAT_TARGETS = frozenset({"DNAT", "REDIRECT"})
_PASSING_TARGETS = frozenset(
    {"", "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "CONNSECMARK", "SECMARK", "SET", "CT", "TCPMSS",
     "CHECKSUM", "CLASSIFY", "DSCP", "ECN", "HL", "TEE", "TOS", "TTL"}
)  # fmt: skip
# The state of packets whose connection nobody tracks; they meet no nat chain.
UNTRACKED = frozenset({"UNTRACKED"})


def rewritten(rule: Rule, piece: Piece) -> list[Outcome]:
    """Apply source NAT; packets that it gives the address they have are accepted: that binding hides nothing."""
    same = _unchanged(rule)
    source = piece.packets.source
    parts = [(Fate.ACCEPT, source & same), (Fate.SOURCE_NAT, source - same)]
    return [replace(piece, packets=piece.packets.having("source", part)).outcome(fate, rule) for fate, part in parts if part]


def passed(rule: Rule, piece: Piece) -> Piece:
    """Apply a target that decides nothing."""
    if rule.target == "MARK":
        return replace(piece, change=_marked(rule, piece.change))
    if rule.target == "CONNMARK":
        return replace(piece, change=None) if rule.option("restore-mark", "CONNMARK") else piece
    if _ends_tracking(rule):
        return replace(piece, packets=piece.packets.having("state", UNTRACKED))
    return piece if rule.target in _PASSING_TARGETS else piece.doubted([f"-j {rule.target}"])


def _ends_tracking(rule: Rule) -> bool:
    return rule.target == "NOTRACK" or (rule.target == "CT" and rule.option("notrack", "CT") is not None)


def _marked(rule: Rule, before: Change | None) -> Change | None:
    """What has become of the marks after MARK; None when nobody knows."""
    change = _change(rule)
    if change is not None and change.mask == ALL_BITS:
        return change
    return None if before is None or change is None else before.then(change)


def _change(rule: Rule) -> Change | None:
    """What a MARK rule does (iptables-extensions(8), MARK); None when its words do not say."""
    for option in rule.target_options:
        try:
            value, mask = parse_mark(option.value)
        except ValueError:
            break
        changes = {
            "set-xmark": Change(value, mask),
            "set-mark": Change(value, mask | value),
            "and-mark": Change(0, ALL_BITS & ~value),
            "or-mark": Change(value, value),
            "xor-mark": Change(value, 0),
        }
        return changes.get(option.name)
    return None


def _unchanged(rule: Rule) -> Intervals:
    """The source addresses that a source NAT rule maps to themselves."""
    option = rule.option("to", "NETMAP") or rule.option("to-source", "SNAT")
    if option is None:
        return Intervals()
    try:
        network = parse_network(option.value)
    except ValueError:  # a range of addresses, or ports
        return Intervals()
    return Intervals.networks([network])
