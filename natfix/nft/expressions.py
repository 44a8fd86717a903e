"""The expressions of a rule of nft as steps: its tests, what it does, and how it ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from natfix.nft import opaque
from natfix.nft.matches import Matches, unknown
from natfix.nft.spelling import statement
from natfix.nft.statements import decided, effect, translation, verdict
from natfix.nft.step import How, Step, Way, asked

_ENDING: Final = frozenset(
    {"accept", "drop", "reject", "return", "jump", "goto", "vmap", "snat", "dnat", "masquerade", "redirect"}
)
_MARK: Final = {"meta": {"key": "mark"}}


def steps_of(expressions: Sequence[Any], matches: Matches) -> list[Step]:
    """Put the expressions of a rule into steps.

    Raises:
        ValueError: a verdict leads to something that cannot be the name of a chain.
    """
    is_ended = any(isinstance(one, Mapping) and not _ENDING.isdisjoint(one) for one in expressions)
    steps: list[Step] = []
    bent = False
    for one in expressions:
        step = _step(one, matches, is_ended=is_ended)
        # Nobody knows any longer what a packet is of which something was changed that is not followed.
        steps.append(tuple(replace(way, test=way.test and unknown(statement(one))) for way in step) if bent else step)
        bent = bent or (_is_more_than_a_mark(one) and any(way.change is None for way in step))
    return steps


def _step(one: Any, matches: Matches, *, is_ended: bool) -> Step:  # noqa: ANN401  (JSON)
    if isinstance(one, str):
        # nft 1.0 says some statements in its own words alone: "add @seen { ip saddr : 5 }".
        return asked(unknown(one))
    ((kind, value),) = one.items()
    if kind == "match":
        return asked(*matches.of(value))
    if kind == "vmap":
        return decided(value, matches)
    if kind == "xt":
        return _hidden(one, is_ended=is_ended)
    way = verdict(one)
    if way is not None:
        return (way,)
    rewriting = translation(one, matches)
    return effect(one, matches) if rewriting is None else rewriting


def _hidden(one: Mapping[str, Any], *, is_ended: bool) -> Step:
    """The ways of an expression of iptables, which may be its target where no other ends the rule."""
    test, targets = opaque.guessed(one)
    if test and is_ended:
        return asked(test)
    ways = (Way(test, f"-j {name}", How.END) if is_end else Way(test, f"-j {name}", change=None) for name, is_end in targets)
    return tuple(ways) or asked(test)


def _is_more_than_a_mark(one: Any) -> bool:  # noqa: ANN401  (JSON)
    return not isinstance(one, str) and "xt" not in one and ("mangle" not in one or one["mangle"]["key"] != _MARK)
