"""A ruleset back to the bytes it was read from."""

from __future__ import annotations

from natfix.ruleset.tables import Ruleset


def render(ruleset: Ruleset) -> bytes:
    """Give back the bytes, unchanged: ``render(parse(data, source)) == data``."""
    return "\n".join(ruleset.lines).encode("utf-8", "surrogateescape")
