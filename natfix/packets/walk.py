"""Walking a chain as the kernel does, with a whole set of packets at once.

Semantics (ip_tables.c, ipt_do_table; nf_tables_core.c, nft_do_chain): rules in order; ``-j CHAIN`` goes in and comes back
after the rule, ``-g CHAIN`` comes back to the caller of this chain; RETURN leaves a user-defined chain and, in a built-in
one, applies the policy; ACCEPT, DROP, MASQUERADE, SNAT end the table. The result is a partition of the packets: every
packet is in exactly one outcome, unless a match that natfix cannot evaluate stood on its way; then it may be in several,
and these are marked as possible.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, replace

from natfix.errors import RulesetSyntaxError
from natfix.packets.bits import Bits
from natfix.packets.intervals import Intervals
from natfix.packets.match import match, parse_mark
from natfix.packets.packetset import PacketSet
from natfix.ruleset import Chain, Rule, Table, parse_network

SOURCE_NAT_TARGETS = frozenset({"MASQUERADE", "SNAT", "NETMAP", "SAME"})
_PASSING_TARGETS = frozenset({"", "LOG", "NFLOG", "ULOG", "TRACE", "AUDIT", "CONNSECMARK", "SECMARK", "SET"})


class Fate(enum.Enum):
    """What a table does with a packet in the end."""

    ACCEPT = "accept"
    DROP = "drop"
    SOURCE_NAT = "source-nat"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One part of the packets and what becomes of it.

    Attributes:
        packets: the part.
        fate: what becomes of it.
        path: the rules that matched on the way, the last one being the one that decided; empty or without a deciding rule
            when the policy decided.
        rule: the rule that decided; None for the policy.
        unknown: words on the way that natfix cannot evaluate; with any, the outcome is possible, not certain.
    """

    packets: PacketSet
    fate: Fate
    path: tuple[Rule, ...]
    rule: Rule | None
    unknown: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether every packet of the part surely meets this fate."""
        return not self.unknown


@dataclass(frozen=True, slots=True)
class _Piece:
    """Packets on their way."""

    packets: PacketSet
    path: tuple[Rule, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(slots=True)
class _Flow:
    """Where the packets that entered a chain, or a rule, have gone."""

    onward: list[_Piece]
    leaving: list[_Piece]


def walk(table: Table, chain: str, packets: PacketSet, *, skip: frozenset[Rule] = frozenset()) -> tuple[Outcome, ...]:
    """Send *packets* through the built-in *chain* of *table*.

    Args:
        table: usually nat.
        chain: usually POSTROUTING; one that is not there accepts everything.
        packets: the set to follow.
        skip: rules to treat as if they were not there.

    Raises:
        RulesetSyntaxError: chains call each other in a circle, which no kernel would have loaded.
    """
    return _Walker(table, skip).run(chain, packets)


class _Walker:
    """One walk through one table."""

    def __init__(self, table: Table, skip: frozenset[Rule]) -> None:
        self.table = table
        self.skip = skip
        self.done: list[Outcome] = []
        self.stack: list[str] = []

    def run(self, name: str, packets: PacketSet) -> tuple[Outcome, ...]:
        chain = self.table.chain(name)
        start = _Piece(packets)
        fallen = self.chain(chain, [start]) if chain else [start]
        policy = Fate.DROP if chain and chain.policy == "DROP" else Fate.ACCEPT
        for piece in fallen:
            self.end(piece, policy, None)
        return tuple(self.done)

    def chain(self, chain: Chain, pieces: list[_Piece]) -> list[_Piece]:
        """Send *pieces* through *chain*; give back those that leave it at its end or by RETURN."""
        self.stack.append(chain.name)
        leaving: list[_Piece] = []
        for rule in chain.rules:
            if not pieces:
                break
            if rule in self.skip:
                continue
            flow = _Flow([], leaving)
            for piece in pieces:
                self.rule(rule, piece, flow)
            pieces = flow.onward
        self.stack.pop()
        return _merged([*pieces, *leaving])

    def rule(self, rule: Rule, piece: _Piece, flow: _Flow) -> None:
        matched = match(rule, piece.packets)
        flow.onward.extend(replace(piece, packets=rest) for rest in matched.outside)
        for packets in matched.inside:
            before = replace(piece, packets=packets)
            doubt = (*piece.unknown, *(word for word in matched.unknown if word not in piece.unknown))
            inside = _Piece(packets, (*piece.path, rule), doubt)
            taken = _Flow([], [])
            already = len(self.done)
            self.target(rule, inside, taken)
            if matched.unknown:
                flow.onward.extend(_doubted(before, inside, taken, self.done[already:]))
            elif _came_back(inside, taken) and len(self.done) == already:
                flow.onward.append(before)
            else:
                flow.onward.extend(taken.onward)
            flow.leaving.extend(taken.leaving)

    def target(self, rule: Rule, piece: _Piece, flow: _Flow) -> None:
        target = rule.target
        chain = self.table.chain(target)
        if chain is not None:
            self.jump(rule, chain, piece, flow)
        elif target == "RETURN":
            flow.leaving.append(piece)
        elif target in {"ACCEPT", "DROP"}:
            self.end(piece, Fate[target], rule)
        elif target in SOURCE_NAT_TARGETS:
            self.end(piece, Fate.ACCEPT if _is_identity(rule, piece.packets) else Fate.SOURCE_NAT, rule)
        elif target in {"MARK", "CONNMARK"}:
            flow.onward.append(_marked(rule, piece))
        elif target in _PASSING_TARGETS:
            flow.onward.append(piece)
        else:
            flow.onward.append(replace(piece, unknown=(*piece.unknown, f"-j {target}")))

    def jump(self, rule: Rule, chain: Chain, piece: _Piece, flow: _Flow) -> None:
        if chain.name in self.stack:
            raise RulesetSyntaxError(
                f"the chains {' -> '.join([*self.stack, chain.name])} call each other in a circle",
                source=self.table.source,
                line=rule.line,
                text=str(rule),
            )
        back = self.chain(chain, [piece])
        (flow.leaving if rule.is_goto else flow.onward).extend(back)

    def end(self, piece: _Piece, fate: Fate, rule: Rule | None) -> None:
        self.done.append(Outcome(piece.packets, fate, piece.path, rule, piece.unknown))


def _came_back(piece: _Piece, flow: _Flow) -> bool:
    """Whether a target left the packets as they were, so that it does not matter whether its rule matched."""
    return not flow.leaving and [(each.packets, each.unknown) for each in flow.onward] == [(piece.packets, piece.unknown)]


def _doubted(before: _Piece, inside: _Piece, taken: _Flow, ended: list[Outcome]) -> Iterable[_Piece]:
    """What goes on after a rule of which nobody knows whether it matched.

    Parts that its target left as they were go on either way, and nothing about them is in doubt. The others go on twice:
    as the target left them, and untouched, as if the rule had not matched.
    """
    untouched = [each for each in taken.onward if each.unknown == inside.unknown and each.packets.mark == before.packets.mark]
    changed = [each for each in taken.onward if each not in untouched]
    yield from (replace(before, packets=each.packets) for each in untouched)
    yield from changed
    affected = [each.packets for each in (*changed, *taken.leaving, *ended)]
    if any(packets.mark != before.packets.mark for packets in affected):
        affected = [before.packets]
    yield from (replace(before, packets=packets, unknown=inside.unknown) for packets in affected)


def _merged(pieces: Iterable[_Piece]) -> list[_Piece]:
    """Put pieces with the same packets together; a certain way wins over a possible one."""
    merged: dict[PacketSet, _Piece] = {}
    for piece in pieces:
        known = merged.get(piece.packets)
        if known is None or len(piece.unknown) < len(known.unknown):
            merged[piece.packets] = piece
    return list(merged.values())


def _marked(rule: Rule, piece: _Piece) -> _Piece:
    option = rule.option("set-xmark", "MARK")
    if rule.target == "MARK" and option is not None:
        return replace(piece, packets=piece.packets.having("mark", piece.packets.mark.changed(*parse_mark(option.value))))
    if rule.target == "CONNMARK" and rule.option("restore-mark", "CONNMARK") is None:
        return piece
    return replace(piece, packets=piece.packets.having("mark", Bits(0, 0)))


def _is_identity(rule: Rule, packets: PacketSet) -> bool:
    """Whether source NAT gives every packet of the set the address it has: a binding that hides nothing."""
    option = rule.option("to", "NETMAP") or rule.option("to-source", "SNAT")
    if option is None:
        return False
    try:
        network = parse_network(option.value)
    except ValueError:  # a range of addresses, or ports
        return False
    return (network.num_addresses == 1 or rule.target == "NETMAP") and packets.source <= Intervals.networks([network])
