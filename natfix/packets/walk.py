"""Walking a chain as the kernel does, with a whole set of packets at once.

Semantics (ip_tables.c, ipt_do_table; nf_tables_core.c, nft_do_chain): rules in order; ``-j CHAIN`` goes in and comes back
after the rule, ``-g CHAIN`` comes back to the caller of this chain; RETURN leaves a user-defined chain and, in a
built-in one, applies the policy; ACCEPT, DROP, REJECT, MASQUERADE, SNAT, DNAT end the table. The result is a partition of the
packets: every packet is in exactly one outcome, unless a match that natfix cannot evaluate stood on its way; then it may be in
several, and these are marked as possible.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from natfix.errors import RulesetSyntaxError, UnsupportedError
from natfix.packets.match import misses
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.packetset import PacketSet
from natfix.packets.piece import Flow, Parted, Piece, merged
from natfix.packets.sets import IpSets
from natfix.packets.target import DESTINATION_NAT_TARGETS, SOURCE_NAT_TARGETS, passed, rewritten
from natfix.ruleset import Chain, Rule, Table

# nf_tables allows 16 (NFT_JUMP_STACK_SIZE), and nobody nests chains of the legacy backend deeper than this either.
_DEEPEST = 100
# What a filter rule does with a packet in the end; it is no matter here whether its sender is told.
_ENDS = {"ACCEPT": Fate.ACCEPT, "DROP": Fate.DROP, "REJECT": Fate.DROP}


class Visit(NamedTuple):
    """A rule that packets came to.

    Attributes:
        depth: how many chains were called to come here; 0 in the built-in chain.
        rule: the rule.
        piece: the packets that came, with what became of their marks before.
        parted: what it matches, and what it does not.
    """

    depth: int
    rule: Rule
    piece: Piece
    parted: Parted


def walk(  # noqa: PLR0913  (all but the first three by name)
    table: Table,
    chain: str,
    packets: PacketSet,
    *,
    skip: frozenset[Rule] = frozenset(),
    ipsets: IpSets | None = None,
    seen: Callable[[Visit], None] | None = None,
) -> tuple[Outcome, ...]:
    """Send *packets* through the built-in *chain* of *table*.

    Args:
        table: usually nat.
        chain: usually POSTROUTING; one that is not there accepts everything.
        packets: the set to follow.
        skip: rules to treat as if they were not there.
        ipsets: the host's sets by their names; without them ``-m set`` is in doubt.
        seen: told of every rule that packets come to, in the kernel's order.

    Raises:
        RulesetSyntaxError: chains call each other in a circle, which no kernel would have loaded.
        UnsupportedError: chains are nested deeper than anybody nests them.
    """
    return _Walker(table, skip, ipsets, seen).run(chain, packets)


class _Walker:
    """One walk through one table."""

    def __init__(
        self, table: Table, skip: frozenset[Rule], ipsets: IpSets | None, seen: Callable[[Visit], None] | None
    ) -> None:
        self.table = table
        self.skip = skip
        self.ipsets = ipsets
        self.seen = seen
        self.stack: list[str] = []

    def run(self, name: str, packets: PacketSet) -> tuple[Outcome, ...]:
        chain = self.table.chain(name)
        flow = self.chain(chain, [Piece(packets)]) if chain else Flow(onward=[Piece(packets)])
        policy = Fate.DROP if chain and chain.policy == "DROP" else Fate.ACCEPT
        return (*flow.ended, *(piece.outcome(policy, None) for piece in flow.onward))

    def chain(self, chain: Chain, pieces: list[Piece]) -> Flow:
        """Send *pieces* through *chain*; those that leave it at its end or by RETURN go onward."""
        self.stack.append(chain.name)
        gone = Flow()
        for rule in chain.rules:
            if not pieces:
                break
            flow = self.rule(rule, pieces) if not self.skip or rule not in self.skip else None
            if flow is not None:
                pieces = flow.onward
                gone.leaving.extend(flow.leaving)
                gone.ended.extend(flow.ended)
        self.stack.pop()
        return Flow(onward=merged(pieces, gone.leaving), ended=gone.ended)

    def rule(self, rule: Rule, pieces: list[Piece]) -> Flow | None:
        """Send all *pieces* through a rule; None when it changes nothing about any."""
        flows = [self.through(rule, piece) for piece in pieces]
        if not any(flows):
            return None
        gone = Flow()
        for flow in flows:
            if flow is not None:
                gone.add(flow)
        gone.onward = merged([piece for piece, flow in zip(pieces, flows, strict=True) if flow is None], gone.onward)
        return gone

    def through(self, rule: Rule, piece: Piece) -> Flow | None:
        """Send one piece through a rule; None when the rule changes nothing, and the piece goes on whole."""
        if self.seen is None and misses(rule, piece.packets):
            return None
        parted = piece.parted(rule, self.ipsets)
        if self.seen:
            self.seen(Visit(len(self.stack) - 1, rule, piece, parted))
        if not parted.inside:
            return None
        flows = [(part, self.target(rule, part)) for part in parted.inside]
        if all(flow.brings_back(part) for part, flow in flows):
            return None
        whole = Flow(onward=parted.outside)
        for part, flow in flows:
            whole.add(flow.doubted(piece, part) if parted.unknown else flow)
        return whole

    def target(self, rule: Rule, piece: Piece) -> Flow:
        target = rule.target
        chain = self.table.chain(target)
        if chain is not None:
            return self.jump(rule, chain, piece)
        if target == "RETURN":
            return Flow(leaving=[piece])
        if target in _ENDS:
            return Flow(ended=[piece.outcome(_ENDS[target], rule)])
        if target in DESTINATION_NAT_TARGETS:
            return Flow(ended=[piece.outcome(Fate.DESTINATION_NAT, rule)])
        if target in SOURCE_NAT_TARGETS:
            return Flow(ended=rewritten(rule, piece))
        return Flow(onward=[passed(rule, piece)])

    def jump(self, rule: Rule, chain: Chain, piece: Piece) -> Flow:
        if chain.name in self.stack:
            raise RulesetSyntaxError(
                f"the chains {' -> '.join([*self.stack, chain.name])} call each other in a circle",
                source=self.table.source,
                line=rule.line,
                text=str(rule),
            )
        if len(self.stack) == _DEEPEST:
            raise UnsupportedError(f"{self.table.source}, line {rule.line}: chains are nested more than {_DEEPEST} deep")
        flow = self.chain(chain, [piece])
        return Flow(leaving=flow.onward, ended=flow.ended) if rule.is_goto else flow
