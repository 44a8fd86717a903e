"""Sets of interface names, as ``-i`` and ``-o`` can describe them.

A pattern is a name (``docker0``) or a prefix (``cali+``); ``+`` alone is every name. What rules carve out of the set of all
names is always "one pattern, without some others", because two patterns either contain each other or have nothing in common.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

EVERY_NAME = "+"


def _contains(outer: str, inner: str) -> bool:
    """Whether every name that *inner* describes is described by *outer*."""
    return outer == inner or (outer.endswith("+") and inner.rstrip("+").startswith(outer[:-1]))


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

    def within(self, pattern: str) -> Self | None:
        """Keep the names that *pattern* describes; None when there are none."""
        if _contains(pattern, self.pattern):
            return self
        if not _contains(self.pattern, pattern):
            return None
        kept = replace(self, pattern=pattern)
        return kept if kept else None

    def excluding(self, pattern: str) -> Self | None:
        """Keep the names that *pattern* does not describe; None when there are none."""
        if not _contains(self.pattern, pattern) and not _contains(pattern, self.pattern):
            return self
        kept = replace(self, without=self.without | {pattern})
        return kept if kept else None

    def sample(self, *preferred: str) -> str:
        """Pick a name: the first of *preferred* that is in the set, else one that is easy to read."""
        if not self.pattern.endswith("+"):
            return self.pattern
        stem = self.pattern[:-1]
        candidates = (*preferred, "eth0", stem + "0", *(f"{stem}x{number}" for number in range(len(self.without) + 1)))
        return next(name for name in candidates if name in self)
