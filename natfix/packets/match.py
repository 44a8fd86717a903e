"""Which packets of a set a rule matches, option by option.

A match that is not modelled here makes the answer "either": natfix then says possible, never nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from natfix.packets.fields import SPLITTERS, Split, Splitter, in_known_set
from natfix.packets.packetset import PacketSet
from natfix.packets.sets import IpSets
from natfix.ruleset import Option, Rule
from natfix.ruleset.rule import REMEMBERED, said

# Matches that test nothing but what their options say.
_MODELLED = frozenset(
    {"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "icmpv6", "comment", "multiport", "mark", "connmark", "addrtype",
     "conntrack", "state", "iprange"}
)  # fmt: skip
# Options that change what the other options of their match mean.
_CHANGES_OTHERS = frozenset({"limit-iface-in", "limit-iface-out"})


class Matched(NamedTuple):
    """What a rule does with a set of packets.

    Attributes:
        inside: the packets that match; disjoint sets.
        outside: the packets that do not; disjoint sets, disjoint from *inside*.
        unknown: the words natfix cannot evaluate; when there are any, a packet of *inside* may match or not.
        refused: when nothing is inside, the words that left nothing.
    """

    inside: tuple[PacketSet, ...]
    outside: tuple[PacketSet, ...]
    unknown: tuple[str, ...]
    refused: str = ""


def match(rule: Rule, packets: PacketSet, *, unreadable: frozenset[str] = frozenset(), ipsets: IpSets | None = None) -> Matched:
    """Split *packets* into those *rule* matches and those it does not.

    Args:
        rule: the rule.
        packets: the set to split.
        unreadable: names of options that nobody can evaluate for these packets.
        ipsets: the host's sets by their names, where they are known.
    """
    inside: Sequence[PacketSet] = (packets,)
    outside: list[PacketSet] = []
    unknown: list[str] = []
    for test in _tests(rule.spec):
        split = test.split_all(inside, unreadable, ipsets or {})
        if split is None:
            unknown.append(test.words)
            continue
        inside = split[0]
        outside += split[1]
        if not inside:
            return Matched((), tuple(outside), (), test.words)
    return Matched(tuple(inside), tuple(outside), tuple(unknown))


def misses(rule: Rule, packets: PacketSet) -> bool:
    """Whether a look at what *rule* names shows that it matches none of *packets*, as most rules of a table.

    That is addresses, and a port alone: a match for a port never takes what has none.
    """
    for name, (version, (first, last)) in rule.spans.items():
        ranges = packets.source.ranges if name == "source" else packets.destination.ranges
        if (ranges[-1][1] < first or ranges[0][0] > last) and version == packets.family:
            return True
    port = rule.only_port
    return port is not None and port not in packets.destination_port


class _Test(NamedTuple):
    """Something that a rule tests: an option, or a match that can be evaluated as a whole only, or not at all.

    Attributes:
        words: as the rule says it.
        options: the option; or the match with its options.
        splitter: splits by the option, as if it were not negated; None where nobody can tell, and for a whole match.
    """

    words: str
    options: tuple[Option, ...]
    splitter: Splitter | None

    def split_all(
        self, several: Sequence[PacketSet], unreadable: frozenset[str], ipsets: IpSets
    ) -> tuple[list[PacketSet], list[PacketSet]] | None:
        """Split each of *several*; None when natfix cannot tell of one of them."""
        inside: list[PacketSet] = []
        outside: list[PacketSet] = []
        for packets in several:
            split = self._split(packets, unreadable, ipsets)
            if split is None:
                return None
            inside += split[0]
            outside += split[1]
        return inside, outside

    def _split(self, packets: PacketSet, unreadable: frozenset[str], ipsets: IpSets) -> Split | None:
        option = self.options[0]
        if option.name == "match":
            return in_known_set(packets, self.options[1:], ipsets) if option.value == "set" else None
        split = self.splitter(packets, option) if self.splitter and option.name not in unreadable else None
        if split is not None and option.negated:
            return split[1], split[0]
        return split


@lru_cache(REMEMBERED)
def _tests(spec: str) -> tuple[_Test, ...]:
    """What a rule tests, in the order written."""
    made = []
    for options in _groups(said(spec).options):
        option = options[0]
        words = spec[option.start : options[-1].stop]
        made.append(_Test(words, options, SPLITTERS.get((option.owner, option.name))))
    return tuple(made)


def _groups(options: Iterable[Option]) -> Iterator[tuple[Option, ...]]:
    """The options that are tested by themselves, one by one, and those that must be taken together."""
    group: list[Option] = []
    for option in options:
        if option.name in {"match", "jump", "goto"}:
            yield from _parts(group)
            group = [option]
        elif option.owner:
            group.append(option)
        elif option.name != "set-counters":
            yield (option,)
    yield from _parts(group)


def _parts(group: list[Option]) -> Iterator[tuple[Option, ...]]:
    if not group or group[0].name != "match":
        return
    if group[0].value not in _MODELLED or any(option.name in _CHANGES_OTHERS for option in group):
        yield tuple(group)
    else:
        yield from ((option,) for option in group[1:])
