"""Which rules are worth a walk to learn whether a packet comes to them: most can be told alive by a look at the words.

A rule lives when one packet that it matches can be thought of that no other rule decides before. Here that packet is from the
first address that the rule names, of no protocol, device or mark that the rule does not ask for. Whom this look misjudges
as alive is only not told of; whom it leaves in doubt is sent through the table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final, NamedTuple, Self

from natfix.packets import SOURCE_NAT_TARGETS
from natfix.ruleset import Rule

DECIDING: Final = SOURCE_NAT_TARGETS | {"ACCEPT", "RETURN", "DROP"}
_ALL: Final = (0, 2**128 - 1)
_ANY: Final = (0, _ALL)
_WORDLESS: Final = frozenset({"source", "destination", "jump", "goto", "match", "comment", "set-counters"})
_GUARDING: Final = frozenset({"match", "mark", "comment", "jump"})
# Of these, not even the contrary of what is asked matches everything.
_EITHER_WAY: Final = frozenset({"out-interface"})
_STATES: Final = frozenset({"conntrack", "state"})


class Sketch(NamedTuple):
    """What packets must be to come to a rule and match it, roughly.

    Attributes:
        rule: the rule.
        chains: the chains on the way to it, its own included.
        source: first and last address.
        destination: first and last address.
        asked: what else is asked for.
        repeated: whether something is asked for twice.
    """

    rule: Rule
    chains: tuple[str, ...]
    source: tuple[int, int]
    destination: tuple[int, int]
    asked: frozenset[str]
    repeated: bool = False

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """What *rule* asks for by itself."""
        source, destination = (rule.spans.get(name, _ANY)[1] for name in ("source", "destination"))
        return cls(rule, (rule.chain,), source, destination, frozenset(_asked(rule)))

    @property
    def is_plain(self) -> bool:
        """Whether some packet surely matches: nothing is asked for twice, nor of the state of the connection."""
        ranges = (self.source, self.destination)
        return not self.repeated and not self.asked & _STATES and all(first <= last for first, last in ranges)

    def decides(self, other: Sketch) -> bool:
        """Whether it may decide about the packet that is thought of for *other*, before that rule does."""
        if not self.source[0] <= other.source[0] <= self.source[1] or not self.asked <= other.asked:
            return False
        if not self.destination[0] <= other.destination[0] <= self.destination[1]:
            return False
        if self.rule.chain == other.rule.chain and self.rule.line >= other.rule.line:
            return False
        return self.rule.target != "RETURN" or self.rule.chain in other.chains

    def behind(self, jump: Sketch, *marks: str) -> Sketch:
        """The same rule, as packets come to it by *jump*, or with these marks; jumps behind that are left out, to ask less."""
        asked = (*jump.asked, *self.asked, *marks)
        return Sketch(
            self.rule,
            (*jump.chains, *self.chains),
            (max(jump.source[0], self.source[0]), min(jump.source[1], self.source[1])),
            (max(jump.destination[0], self.destination[0]), min(jump.destination[1], self.destination[1])),
            frozenset(asked),
            len(set(asked)) < len(asked),
        )


def crowded_rules(rules: Sequence[Rule]) -> frozenset[int]:
    """The lines of the rules of which a look at the words does not show that a packet comes to them."""
    alone = [Sketch.of(rule) for rule in rules]
    jumps: dict[str, list[Sketch]] = {}
    guards: dict[str, Rule] = {}
    for each in alone:
        jumps.setdefault(each.rule.target, []).append(each)
        if _is_guard(each.rule):
            guards.setdefault(each.rule.chain, each.rule)
    nothing = Sketch(Rule("", ""), (), _ALL, _ALL, frozenset())
    sketches = [
        each.behind(jump, *_marks(each.rule, guards.get(each.rule.chain)))
        for each in alone
        if each.rule.target in DECIDING
        for jump in jumps.get(each.rule.chain, [nothing])
    ]
    return frozenset(each.rule.line for each in (*(each for each in sketches if not each.is_plain), *_overtaken(sketches)))


def _overtaken(sketches: Sequence[Sketch]) -> Iterator[Sketch]:
    """Those whose packet another one may decide about; a table has as many pairs as it has rules, squared, so few are asked."""
    near: list[Sketch] = []
    for first, several in groupby(sorted(sketches, key=_first_source), _first_source):
        same = list(several)
        near = [*(each for each in near if each.source[1] >= first), *same]
        yield from (each for each in same if any(other.decides(each) for other in near))


def _first_source(sketch: Sketch) -> int:
    return sketch.source[0]


def _marks(rule: Rule, guard: Rule | None) -> Iterator[str]:
    """The mark that packets behind a guard have."""
    if guard is not None and guard.mark is not None and guard.line < rule.line:
        yield f"mark {guard.mark.value}"


def _asked(rule: Rule) -> Iterator[str]:
    """What a rule asks for: a match by its name; a mark by its value."""
    if _is_guard(rule):
        yield "no mark"
    for option in rule.options:
        if option.name not in _WORDLESS and option.owner != rule.target and (not option.negated or option.name in _EITHER_WAY):
            yield f"mark {option.value}" if option.owner == "mark" else option.owner or option.name


def _is_guard(rule: Rule) -> bool:
    """Whether a rule sends packets without a mark back, as the first one of kube-proxy's chain does."""
    mark = rule.mark
    return rule.target == "RETURN" and mark is not None and mark.negated and {each.name for each in rule.options} <= _GUARDING
