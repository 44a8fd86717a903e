"""The expressions of a rule of nft as steps: its tests, what it does, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from natfix.nft import opaque
from natfix.nft.matches import Matches, unknown
from natfix.nft.spelling import spelled
from natfix.nft.statements import decided, effect, translation, verdict
from natfix.nft.step import MARKS_UNSEEN, UNCHANGED, How, Step, Way, asked
from natfix.packets.bits import Change

_ENDING: Final = frozenset(
    {"accept", "drop", "reject", "return", "jump", "goto", "vmap", "snat", "dnat", "masquerade", "redirect"}
)
_STRANGE: Final = "-j nft:"


def steps_of(expressions: Sequence[Any], matches: Matches) -> list[Step]:
    """Put the expressions of a rule into steps.

    Raises:
        ValueError: a verdict leads to something that cannot be the name of a chain.
    """
    is_ended = any(isinstance(one, Mapping) and not _ENDING.isdisjoint(one) for one in expressions)
    steps: list[Step] = []
    bent = False
    for one in expressions:
        made = _steps(one, matches, is_ended=is_ended)
        # Nobody knows any longer what a packet is of which something was changed that is not followed.
        steps += [_blurred(step, one) for step in made] if bent else made
        bent = bent or any(way.does.startswith(_STRANGE) and way.does != MARKS_UNSEEN.does for way in steps[-1])
    return steps


def _blurred(step: Step, one: Any) -> Step:  # noqa: ANN401  (JSON)
    return tuple(replace(way, test=way.test and unknown(spelled([one]))) for way in step)


def _steps(one: Any, matches: Matches, *, is_ended: bool) -> list[Step]:  # noqa: ANN401  (JSON)
    if isinstance(one, str):
        # nft 1.0 says some statements in its own words alone: "add @seen { ip saddr : 5 }".
        return [asked(unknown(one))]
    ((kind, value),) = one.items()
    if kind == "match":
        return [asked(*matches.of(value))]
    if kind == "vmap":
        return [decided(value, matches)]
    if kind == "xt":
        return _hidden(one, is_ended=is_ended)
    way = verdict(one)
    if way is not None:
        return [(way,)]
    rewriting = translation(one, matches)
    return effect(one, matches) if rewriting is None else [rewriting]


def _hidden(one: Mapping[str, Any], *, is_ended: bool) -> list[Step]:
    """The steps of an expression of iptables, which may be its target where no other ends the rule."""
    test, targets = opaque.guessed(one)
    if test and is_ended:
        return [asked(test)]
    if not test:
        return [(Way(does=f"-j {name}", how=How.END if is_end else How.ON, change=_change(name)),) for name, is_end in targets]
    ways = (Way(test, f"-j {name}", How.END if is_end else How.ON, _change(name)) for name, is_end in targets)
    return [tuple(ways) or asked(test)]


def _change(name: str) -> Change:
    return Change.to_unknown() if name.startswith("nft:") else UNCHANGED
