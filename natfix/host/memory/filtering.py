"""The in-memory twin of the tables filter and raw."""

from __future__ import annotations

from collections.abc import Mapping

from natfix.app.ports import Backend, Filters
from natfix.ruleset import Ruleset, parse

_FEW_CHAINS = 40


class MemoryFilters(Filters):
    """Tables that a test describes; see natfix.app.ports.Filters.

    Args:
        texts: for each backend what iptables-save would print of them.
    """

    def __init__(self, texts: Mapping[Backend, str] | None = None) -> None:
        self._texts = dict(texts or {})

    def read(self, backend: Backend) -> Ruleset:
        """What was given, where Docker's chain is in the table filter or FORWARD lets nothing pass at its end."""
        text = self._texts.get(backend, "")
        closed = ("\n:FORWARD DROP ", "\n-A FORWARD -j DROP\n", "\n-A FORWARD -j REJECT")
        small = text.count("\n:") <= _FEW_CHAINS
        if "\n:DOCKER " not in text and not (small and any(words in text for words in closed)):
            return Ruleset(str(backend), (), ())
        return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)
