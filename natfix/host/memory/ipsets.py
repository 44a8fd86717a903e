"""The twin of a host's ipsets."""

from __future__ import annotations

from natfix.app.ports import IpSetListing


class MemoryIpSets(IpSetListing):
    """Sets that a test made up.

    Args:
        text: what ``ipset save`` would print; None for a host without the program.
    """

    def __init__(self, text: str | None = "") -> None:
        self.text = text

    def read(self) -> str | None:
        """Print every set."""
        return self.text
