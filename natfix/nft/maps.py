"""What nft's maps give, whether of verdicts, addresses or marks: for which packets which value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from natfix.nft.matches import Alternatives, Matches, unknown
from natfix.nft.overlap import overlapping
from natfix.nft.sets import UnknownError, bare_element

_EVERYTHING_ELSE = "*"
# Each key is a rule of its own, and what one of them has parted meets all that follow: a walk takes seconds beyond.
_MANY = 256


class Given(NamedTuple):
    """A value, and who gets it.

    Attributes:
        test: words that a packet must meet; no packet meets those of two, unless nobody can evaluate them.
        value: as nft lists it; None where nobody can tell.
    """

    test: str
    value: Any


def values(mapping: Mapping[str, Any], matches: Matches, words: str) -> tuple[Given, ...]:
    """What a map gives that is no verdict, as *given* does; of a map with very many keys nobody can tell."""
    data = mapping["data"]
    elements: Sequence[Any] = matches.named.get(data[1:], ()) if isinstance(data, str) else data["set"]
    return given(mapping, matches, words) if len(elements) <= _MANY else (Given(unknown(words), None),)


def given(mapping: Mapping[str, Any], matches: Matches, words: str) -> tuple[Given, ...]:
    """What a map gives for each of its keys; a packet that meets none of them leaves the rule.

    Args:
        mapping: its ``key`` and its ``data``, which is a set or the name of one.
        matches: what puts the keys into words.
        words: by which a test is named that nobody can evaluate.
    """
    data = mapping["data"]
    if isinstance(data, str) and (data[1:] in matches.filled or data[1:] not in matches.named):
        # Somebody may get what it held when it was listed, and anybody something that nobody knows.
        held = [value for _, value in matches.named.get(data[1:], ())]
        return tuple(Given(unknown(words), value) for value in (*held, None))
    elements: Sequence[Any] = matches.named[data[1:]] if isinstance(data, str) else data["set"]
    keys = [bare_element(key) for key, _ in elements]
    mixed = overlapping(keys)
    found = []
    for key, (_, value) in zip(keys, elements, strict=True):
        try:
            tests = (unknown(words),) if key in mixed else _meeting(key, keys, mapping["key"], matches)
        except UnknownError:
            tests = (unknown(words),)
        found += [Given(test, value) for test in tests]
    return tuple(found)


def _meeting(key: Any, keys: Sequence[Any], left: Any, matches: Matches) -> Alternatives:  # noqa: ANN401  (JSON)
    if isinstance(key, list):
        # Several flags, all of which a packet must have.
        raise UnknownError
    if key != _EVERYTHING_ELSE:
        return matches.exact(left, key, equal=True)
    # It is for what meets no other key.
    return matches.exact(left, {"set": [each for each in keys if each != _EVERYTHING_ELSE]}, equal=False)
