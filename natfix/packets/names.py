"""Sets of interface names, as ``-i`` and ``-o`` can describe them.

A pattern is a name (``docker0``) or a prefix (``cali+``); ``+`` alone is every name. The empty name stands for no device:
before it is routed, a packet leaves by none. What rules carve out of the set of all names is always "one pattern, without
some others", because two patterns either contain each other or have nothing in common.
"""

from __future__ import annotations

import itertools
import string
from dataclasses import dataclass
from typing import Self

EVERY_NAME = "+"
_ENDINGS = f"x{string.ascii_lowercase}{string.digits}_"


def _contains(outer: str, inner: str) -> bool:
    """Whether every name that *inner* describes is described by *outer*."""
    return outer == inner or (outer.endswith("+") and inner.removesuffix("+").startswith(outer[:-1]))


@dataclass(frozen=True, slots=True)
class Names:
    """The names that *pattern* describes and none of *without* does."""

    pattern: str = EVERY_NAME
    without: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Whether a name is left; a prefix minus some longer patterns always leaves one."""
        return not any(_contains(other, self.pattern) for other in self.without)

    def __contains__(self, name: str) -> bool:
        """Whether *name* is in the set."""
        return _contains(self.pattern, name) and not any(_contains(other, name) for other in self.without)

    def __le__(self, other: Self) -> bool:
        """Whether every name in this set is in *other*."""
        return _contains(other.pattern, self.pattern) and not any(self.within(each) for each in other.without)

    def within(self, pattern: str) -> Self | None:
        """Keep the names that *pattern* describes; None when there are none."""
        if _contains(pattern, self.pattern):
            return self
        if not _contains(self.pattern, pattern):
            return None
        return self._kept(pattern, self.without)

    def excluding(self, pattern: str) -> Self | None:
        """Keep the names that *pattern* does not describe; None when there are none."""
        if not _contains(self.pattern, pattern) and not _contains(pattern, self.pattern):
            return self
        return self._kept(self.pattern, self.without | {pattern})

    def sample(self, *preferred: str) -> str:
        """Pick a name: the first of *preferred* that is in the set, else one that is easy to read."""
        if not self.pattern.endswith("+"):
            return self.pattern
        stem = self.pattern[:-1]
        endings = (f"{first}{second}" for second in ("", *_ENDINGS) for first in _ENDINGS)
        names = itertools.chain((*preferred, "eth0", stem + "0"), (stem + ending for ending in endings))
        return next(name for name in names if name in self)

    def _kept(self, pattern: str, without: frozenset[str]) -> Self | None:
        """Make the set that says only what is needed, so that equal sets are equal; None when it is empty."""
        inner = [each for each in without if _contains(pattern, each) or _contains(each, pattern)]
        kept = type(self)(pattern, frozenset(each for each in inner if not _is_within_another(each, inner)))
        return kept or None


def _is_within_another(pattern: str, others: list[str]) -> bool:
    return any(other != pattern and _contains(other, pattern) for other in others)
