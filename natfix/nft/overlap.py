"""Keys of a map that have a packet in common: of these the kernel takes the one that came first, which no listing tells.

It refuses a key within another one that came before, and takes one around others (nft_set_pipapo.c); only keys of several parts
can be so.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any, Final, TypeAlias

_Span: TypeAlias = tuple[Any, Any]
# Beyond this many pairs nobody compares them, and nothing is said of any.
_MOST_PAIRS: Final = 200_000


def overlapping(keys: Sequence[Any]) -> list[Any]:
    """Those of several keys of which nobody knows whether a packet meets another one first."""
    joined = [key for key in keys if isinstance(key, Mapping) and "concat" in key]
    if not any(_is_wide(part) for key in joined for part in key["concat"]):
        return []
    boxes = [(key, tuple(map(_span, key["concat"]))) for key in joined]
    wide = [each for each in boxes if any(map(_is_wide, each[0]["concat"]))]
    if len(wide) * len(boxes) > _MOST_PAIRS:
        return [key for key, _ in boxes]
    pairs = ((one, other) for one, other in itertools.product(wide, boxes) if one is not other)
    return [key for one, other in pairs if _meet(one[1], other[1]) for key in (one[0], other[0])]


def _is_wide(part: Any) -> bool:  # noqa: ANN401  (JSON)
    return isinstance(part, Mapping) or (isinstance(part, str) and part.endswith("*"))


def _meet(one: Sequence[_Span], other: Sequence[_Span]) -> bool:
    return all(_share(*spans) for spans in zip(one, other, strict=False))


def _share(one: _Span, other: _Span) -> bool:
    if type(one[0]) is type(other[0]):
        return bool(one[0] <= other[1] and other[0] <= one[1])
    # The number of a protocol, and the name of one.
    return True


def _span(part: Any) -> _Span:  # noqa: ANN401  (JSON)
    """The first and the last value of a part of a key."""
    if isinstance(part, Mapping) and "prefix" in part:
        network = ip_network(f"{part['prefix']['addr']}/{part['prefix']['len']}")
        return int(network[0]), int(network[-1])
    if isinstance(part, Mapping) and "range" in part:
        first, last = part["range"]
        return _span(first)[0], _span(last)[1]
    if isinstance(part, str) and part.endswith("*"):
        # The names of devices that begin so.
        return part[:-1], part[:-1] + chr(0x10FFFF)
    try:
        number = part if isinstance(part, int) else int(ip_address(part))
    except ValueError:
        return part, part
    return number, number
