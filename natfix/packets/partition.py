"""What a table makes of a set of packets, as a partition: these are masqueraded by this rule by this path, those left alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from natfix.packets.outcome import Fate, Outcome
from natfix.packets.packetset import PacketSet
from natfix.packets.sets import IpSets
from natfix.packets.union import joined
from natfix.packets.walk import walk
from natfix.ruleset import Rule, Table


@dataclass(frozen=True, slots=True)
class Part:
    """The packets that one rule decides about, in one way.

    Attributes:
        packets: which: every packet of any of these sets, as they came; the sets of one part have no packet in common.
        fate: what becomes of them: ACCEPT leaves them alone.
        rule: the rule that decides; None for the policy.
        path: the rules that matched on the way, the last one being the one that decides.
        unknown: words that natfix cannot evaluate; with any, these packets may meet this fate, and stand in another part too.
    """

    packets: tuple[PacketSet, ...]
    fate: Fate
    rule: Rule | None
    path: tuple[Rule, ...]
    unknown: tuple[str, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether every packet of the part surely meets this fate."""
        return not self.unknown


def partition(table: Table, chain: str, packets: PacketSet, *, ipsets: IpSets | None = None) -> tuple[Part, ...]:
    """Part *packets* by what the built-in *chain* of *table* does with them.

    Args:
        table: usually nat.
        chain: usually POSTROUTING; one that is not there leaves everything alone.
        packets: the set to part.
        ipsets: the host's sets by their names; without them ``-m set`` is in doubt.

    Returns:
        Parts that together hold every packet of *packets*, each once where nothing is in doubt, in the order in which the
        kernel decides about them.

    Raises:
        RulesetSyntaxError: chains call each other in a circle, which no kernel would have loaded.
        UnsupportedError: chains are nested deeper than anybody nests them.
    """
    return parts_of(walk(table, chain, packets, ipsets=ipsets))


def parts_of(outcomes: Iterable[Outcome]) -> tuple[Part, ...]:
    """Put outcomes together that differ in nothing but their packets."""
    found: dict[tuple[object, ...], list[Outcome]] = {}
    for outcome in outcomes:
        # Rules in the same words are equal, wherever they stand.
        way = tuple((rule.chain, rule.number) for rule in outcome.path)
        found.setdefault((outcome.fate, way, outcome.rule is None, outcome.unknown), []).append(outcome)
    return tuple(
        Part(joined(each.packets for each in same), same[0].fate, same[0].rule, same[0].path, same[0].unknown)
        for same in found.values()
    )
