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
    same, chosen = _unchanged(rule)
    source = piece.packets.source
    kept = same if not chosen else Intervals()
    parts = [(Fate.ACCEPT, source & kept, piece), (Fate.SOURCE_NAT, source - same, piece)]
    if chosen:
        # The kernel draws one of the addresses, which may be the packet's own.
        parts.append((Fate.SOURCE_NAT, source & same, piece.doubted([chosen])))
    return [
        replace(each, packets=each.packets.having("source", part)).outcome(fate, rule) for fate, part, each in parts if part
    ]


def passed(rule: Rule, piece: Piece) -> Piece:
    """Apply a target that decides nothing."""
    if rule.target == "MARK":
        return replace(piece, change=_marked(rule, piece.change))
    if rule.target == "CONNMARK":
        return replace(piece, change=None) if rule.option("restore-mark", "CONNMARK") else piece
    if ends_tracking(rule):
        return replace(piece, packets=piece.packets.having("state", UNTRACKED))
    return piece if rule.target in _PASSING_TARGETS else piece.doubted([f"-j {rule.target}"])


def ends_tracking(rule: Rule) -> bool:
    """Whether connections of the packets that *rule* matches are not tracked."""
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


def _unchanged(rule: Rule) -> tuple[Intervals, str]:
    """The source addresses that a source NAT rule maps to themselves, and what leaves that in doubt.

    Of a range the kernel keeps the address of a packet that has one of it, unless it shall choose at random, or the port has to
    be another as well (nf_nat_core.c, get_unique_tuple).
    """
    option = rule.option("to", "NETMAP") or rule.option("to-source", "SNAT")
    if option is None:
        return Intervals(), ""
    addresses, ports = _without_ports(option.value)
    first, _, last = addresses.partition("-")
    try:
        low, high = parse_network(first), parse_network(last or first)
    except ValueError:  # ports alone
        return Intervals(), ""
    same = Intervals.of([(int(low.network_address), int(high.broadcast_address))])
    drawn = ports or any(rule.option(name, "SNAT") for name in ("random", "random-fully"))
    return same, f"--to-source {option.value}" if last and drawn else ""


def _without_ports(text: str) -> tuple[str, str]:
    """Part ``10.0.0.1-10.0.0.9:80`` or ``[fd00::1]:80`` into addresses and ports, which need not be there."""
    if "]" not in text and text.count(":") != 1:
        return text, ""
    addresses, _, ports = text.rpartition(":")
    return addresses.replace("[", "").replace("]", ""), ports
