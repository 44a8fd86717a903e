"""The in-memory twin of the tables beside nat."""

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
        text = self._table(backend, "filter")
        closed = ("\n:FORWARD DROP ", "\n-A FORWARD -j DROP\n", "\n-A FORWARD -j REJECT")
        small = text.count("\n:") <= _FEW_CHAINS
        if "\n:DOCKER " not in text and not (small and any(words in text for words in closed)):
            text = ""
        return _parsed(text, backend)

    def before_nat(self, backend: Backend) -> Ruleset:
        """What was given of raw and mangle, where it holds rules."""
        texts = [self._table(backend, name) for name in ("raw", "mangle")]
        return _parsed("".join(text for text in texts if "\n-A " in text), backend)

    def _table(self, backend: Backend, name: str) -> str:
        _, _, after = f"\n{self._texts.get(backend, '')}".partition(f"\n*{name}\n")
        return f"*{name}\n{after.partition('COMMIT')[0]}COMMIT\n" if after else ""


def _parsed(text: str, backend: Backend) -> Ruleset:
    if not text:
        return Ruleset(str(backend), (), ())
    return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)
