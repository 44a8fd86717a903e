"""The in-memory twin of the connection tracking table."""

from __future__ import annotations

from collections.abc import Iterable

from natfix.app.change_ports import Rewritten
from natfix.host.conntrack import Connection


class MemoryConnections:
    """A connection tracking table that lives in this object; see natfix.app.change_ports.Connections.

    Args:
        entries: what it tracks at first.
    """

    def __init__(self, entries: Iterable[Connection] = ()) -> None:
        self.entries = list(entries)

    def forget(self, which: Iterable[Rewritten]) -> int:
        """Drop the entries that match any of *which* and whose source is rewritten."""
        wanted = tuple(which)
        before = len(self.entries)
        self.entries = [entry for entry in self.entries if not any(entry.carries(one) for one in wanted)]
        return before - len(self.entries)
