"""Which rules are worth a walk to learn whether a packet comes to them: most can be told alive by a look at the words.

A rule lives when one packet that it matches can be thought of that no other rule decides before. Here that packet is from the
first address that the rule names, of no protocol, device or mark that the rule does not ask for. Whom this look misjudges
as alive is only not told of; whom it leaves in doubt is sent through the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from natfix.packets import SOURCE_NAT_TARGETS
from natfix.ruleset import Rule

DECIDING: Final = SOURCE_NAT_TARGETS | {"ACCEPT", "RETURN", "DROP"}
_ALL: Final = (0, 2**128 - 1)
_WORDLESS: Final = frozenset({"source", "destination", "jump", "goto", "match", "comment", "set-counters"})
_GUARDING: Final = frozenset({"match", "mark", "comment", "jump"})
# Of these, not even the contrary of what is asked matches everything.
_EITHER_WAY: Final = frozenset({"out-interface"})


class Sketch(NamedTuple):
    """What packets must be to come to a rule and match it, roughly.

    Attributes:
        rule: the rule.
        chains: the chains on the way to it, its own included.
        source: first and last address.
        destination: first and last address.
        asked: what else is asked for, each as often as it is.
    """

    rule: Rule
    chains: frozenset[str]
    source: tuple[int, int]
    destination: tuple[int, int]
    asked: tuple[str, ...]

    @property
    def is_plain(self) -> bool:
        """Whether some packet surely matches: nothing is asked for twice, nor of the state of the connection."""
        ranges = (self.source, self.destination)
        once = len(set(self.asked)) == len(self.asked) and not {"conntrack", "state"} & set(self.asked)
        return once and all(first <= last for first, last in ranges)

    def decides(self, other: Sketch) -> bool:
        """Whether it may decide about the packet that is thought of for *other*, before that rule does."""
        # What parts most rules is asked first: a table has as many pairs of rules as it has rules, squared.
        if not self.source[0] <= other.source[0] <= self.source[1] or not set(self.asked) <= set(other.asked):
            return False
        if not self.destination[0] <= other.destination[0] <= self.destination[1]:
            return False
        if self.rule.chain == other.rule.chain and self.rule.line >= other.rule.line:
            return False
        return self.rule.target != "RETURN" or self.rule.chain in other.chains


def crowded_rules(rules: Sequence[Rule]) -> frozenset[int]:
    """The lines of the rules of which a look at the words does not show that a packet comes to them."""
    calls: dict[str, list[Rule]] = {}
    for rule in rules:
        calls.setdefault(rule.target, []).append(rule)
    sketches = [sketch for rule in rules if rule.target in DECIDING for sketch in _sketches(rule, calls, rules)]
    return frozenset(each.rule.line for each in sketches if not each.is_plain or any(other.decides(each) for other in sketches))


def _sketches(rule: Rule, calls: dict[str, list[Rule]], rules: Sequence[Rule]) -> Iterator[Sketch]:
    """One for each jump that leads to the chain of *rule*; jumps behind jumps are left out, which asks for less."""
    guards = [each for each in rules if each.chain == rule.chain and each.line < rule.line and _is_guard(each)]
    for jump in calls.get(rule.chain, [None]):
        way = [rule] if jump is None else [jump, rule]
        asked = [name for each in way for name in _asked(each)]
        asked += [f"mark {each.mark.value}" for each in guards[:1] if each.mark is not None]
        chains = frozenset(each.chain for each in way)
        yield Sketch(rule, chains, _range(way, "source"), _range(way, "destination"), tuple(asked))


def _asked(rule: Rule) -> Iterator[str]:
    """What a rule asks for: a match by its name, once; a mark by its value."""
    if _is_guard(rule):
        yield "no mark"
    names = dict.fromkeys(
        f"mark {option.value}" if option.owner == "mark" else option.owner or option.name
        for option in rule.options
        if option.name not in _WORDLESS and option.owner != rule.target and (not option.negated or option.name in _EITHER_WAY)
    )
    yield from names


def _is_guard(rule: Rule) -> bool:
    """Whether a rule sends packets without a mark back, as the first one of kube-proxy's chain does."""
    mark = rule.mark
    return rule.target == "RETURN" and mark is not None and mark.negated and {each.name for each in rule.options} <= _GUARDING


def _range(way: Sequence[Rule], name: str) -> tuple[int, int]:
    networks = [network for rule in way if (network := rule.network(name)) is not None]
    first = max((int(each.network_address) for each in networks), default=_ALL[0])
    return first, min((int(each.broadcast_address) for each in networks), default=_ALL[1])
