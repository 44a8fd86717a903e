"""The in-memory twin of the tables filter and raw."""

from __future__ import annotations

from collections.abc import Mapping

from natfix.app.ports import Backend, Filters
from natfix.ruleset import Ruleset, parse


class MemoryFilters(Filters):
    """Tables that a test describes; see natfix.app.ports.Filters.

    Args:
        texts: for each backend what iptables-save would print of them.
    """

    def __init__(self, texts: Mapping[Backend, str] | None = None) -> None:
        self._texts = dict(texts or {})

    def read(self, backend: Backend) -> Ruleset:
        """What was given, where Docker's chain is in the table filter."""
        text = self._texts.get(backend, "")
        if "\n:DOCKER " not in text:
            return Ruleset(str(backend), (), ())
        return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)
