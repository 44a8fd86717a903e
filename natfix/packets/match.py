"""Which packets of a set a rule matches, option by option.

A match that is not modelled here makes the answer "either": natfix then says possible, never nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from natfix.packets.fields import SPLITTERS, Split, in_known_set
from natfix.packets.ipset import IpSets
from natfix.packets.packetset import PacketSet
from natfix.ruleset import Option, Rule

# Matches that test nothing but what their options say.
_MODELLED = frozenset(
    {"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "icmpv6", "comment", "multiport", "mark", "addrtype",
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
    inside: tuple[PacketSet, ...] = (packets,)
    outside: list[PacketSet] = []
    unknown: list[str] = []
    for test in _tests(rule):
        splits = [_split(each, test, unreadable, ipsets or {}) for each in inside]
        known = [split for split in splits if split is not None]
        if len(known) < len(splits):
            unknown.append(_words(rule, test))
            continue
        outside.extend(piece for _, rest in known for piece in rest)
        inside = tuple(piece for kept, _ in known for piece in kept)
        if not inside:
            return Matched((), tuple(outside), (), _words(rule, test))
    return Matched(inside, tuple(outside), tuple(unknown))


def _words(rule: Rule, test: tuple[Option, ...]) -> str:
    return rule.spec[test[0].start : test[-1].stop]


def _tests(rule: Rule) -> Iterator[tuple[Option, ...]]:
    """What a rule tests: options one by one, and each match that can be evaluated as a whole only, or not at all."""
    group: list[Option] = []
    for option in rule.options:
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


def _split(packets: PacketSet, test: tuple[Option, ...], unreadable: frozenset[str], ipsets: IpSets) -> Split | None:
    """Split by one test; None when natfix cannot tell."""
    option = test[0]
    if option.name == "match":
        return in_known_set(packets, test[1:], ipsets) if option.value == "set" else None
    splitter = SPLITTERS.get((option.owner, option.name))
    split = splitter(packets, option) if splitter and option.name not in unreadable else None
    if split is not None and option.negated:
        return split[1], split[0]
    return split
