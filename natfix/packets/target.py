"""What targets do with packets: rewrite their source, mark them, or nothing."""

from __future__ import annotations

from dataclasses import replace

from natfix.packets.bits import ALL_BITS, Change
from natfix.packets.fields import parse_mark
from natfix.packets.intervals import Intervals
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.piece import Piece
from natfix.ruleset import Rule, parse_network
from natfix.ruleset.written import without_ports

SOURCE_NAT_TARGETS = frozenset({"MASQUERADE", "SNAT", "NETMAP", "SAME"})
DESTINATION_NAT_TARGETS = frozenset({"DNAT", "REDIRECT"})
PASSING_TARGETS = frozenset(
    {"", "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "CONNSECMARK", "SECMARK", "SET", "CT", "TCPMSS",
     "CHECKSUM", "CLASSIFY", "DSCP", "ECN", "HL", "IDLETIMER", "LED", "RATEEST", "TEE", "TOS", "TTL"}
)  # fmt: skip
"""Targets that leave packets and their marks as they are, but for CT --notrack and SET --map-mark."""
# Targets that do nothing but mark, as nobody can tell from their words.
_MARKING_TARGETS = frozenset({"HMARK", "nft:mark"})
# The state of packets whose connection nobody tracks; they meet no nat chain.
UNTRACKED = frozenset({"UNTRACKED"})
_EVERY_ADDRESS = Intervals(((0, 2**128 - 1),))


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
    if rule.target == "CONNMARK":
        return _connection_marked(rule, piece)
    if ends_tracking(rule):
        return replace(piece, packets=piece.packets.having("state", UNTRACKED))
    change = _marking(rule)
    marked = replace(piece, change=piece.change.then(change)) if change else piece
    return marked if not is_strange(rule) else marked.doubted([f"-j {rule.target}"])


def ends_tracking(rule: Rule) -> bool:
    """Whether connections of the packets that *rule* matches are not tracked."""
    return rule.target == "NOTRACK" or (rule.target == "CT" and rule.option("notrack", "CT") is not None)


def alters_mark(rule: Rule) -> bool:
    """Whether packets that *rule* matches, or their connections, may have another mark afterwards; it decides nothing."""
    return rule.target == "CONNMARK" or bool(_marking(rule))


def is_strange(rule: Rule) -> bool:
    """Whether nobody can tell what a target does that decides nothing."""
    return rule.target not in PASSING_TARGETS | _MARKING_TARGETS | {"MARK", "CONNMARK", "NOTRACK"}


def _marking(rule: Rule) -> Change:
    """What a rule does to the mark of packets, but for what it takes from their connection."""
    if rule.target == "MARK":
        return _change(rule)
    maps = rule.target == "SET" and rule.option("map-mark", "SET") is not None
    return Change.to_unknown() if maps or rule.target not in PASSING_TARGETS | {"NOTRACK"} else Change()


def _connection_marked(rule: Rule, piece: Piece) -> Piece:
    """Apply CONNMARK (net/netfilter/xt_connmark.c, connmark_tg_shift)."""
    if piece.packets.state == UNTRACKED:
        return piece
    held = piece.packets.connmark
    shifted = rule.option("left-shift-mark", "CONNMARK") or rule.option("right-shift-mark", "CONNMARK")
    of_packet, of_connection = _mask(rule, "nfmask"), _mask(rule, "ctmask")
    if rule.option("restore-mark", "CONNMARK"):
        lost = of_connection & ~held.known
        known = Change(held.value & of_connection & ~lost, of_packet | lost, lost)
        return replace(piece, change=piece.change.then(Change.to_unknown() if shifted else known))
    if rule.option("save-mark", "CONNMARK"):
        mark = piece.marked().mark
        # What parts the packets is no one value to put into their connection.
        lost = of_packet & ~mark.known
        change = Change(mark.value & of_packet & ~lost, of_connection | lost, lost)
        change = Change.to_unknown() if shifted else change
    else:
        change = _change(rule)
    return replace(piece, packets=piece.packets.having("connmark", change.of(held)))


def _mask(rule: Rule, name: str) -> int:
    """The bits of one side that CONNMARK looks at: all that nothing is said of."""
    option = rule.option(name, "CONNMARK") or rule.option("mask", "CONNMARK")
    try:
        return int(option.value, 0) if option else ALL_BITS
    except ValueError:
        return ALL_BITS


def _change(rule: Rule) -> Change:
    """What the words of MARK do to a mark, or those of CONNMARK (iptables-extensions(8)); anything when they do not say."""
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
        return changes.get(option.name, Change.to_unknown())
    return Change.to_unknown()


def _unchanged(rule: Rule) -> tuple[Intervals, str]:
    """The source addresses that a source NAT rule maps to themselves, and what leaves that in doubt.

    Of a range the kernel keeps the address of a packet that has one of it, unless it shall choose at random, or the port has to
    be another as well; where it is given ports alone it keeps every address (nf_nat_core.c, get_unique_tuple).
    """
    option = rule.option("to", "NETMAP") or rule.option("to-source", "SNAT")
    if option is None:
        return Intervals(), ""
    addresses, ports = without_ports(option.value)
    if not addresses:
        return _EVERY_ADDRESS, ""
    first, _, last = addresses.partition("-")
    try:
        low, high = parse_network(first), parse_network(last or first)
    except ValueError:
        return Intervals(), ""
    same = Intervals.of([(int(low.network_address), int(high.broadcast_address))])
    drawn = ports or any(rule.option(name, "SNAT") for name in ("random", "random-fully"))
    return same, f"--to-source {option.value}" if last and drawn else ""
