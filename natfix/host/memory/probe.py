"""The in-memory twin of what tries peers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from natfix.routing.state import Address


class MemoryProber:
    """Peers that a test describes.

    Attributes:
        times: for each address that answers, in how many milliseconds.
        tracked: for each address as whom this host's kernel lets packets go there.
        agents: for each address with an agent as whom that one sees this host.
    """

    def __init__(self) -> None:
        self.times: dict[Address, float] = {}
        self.tracked: dict[Address, Address] = {}
        self.agents: dict[Address, Address] = {}

    def ping(self, source: Address, targets: Sequence[Address], count: int) -> Mapping[Address, float]:  # noqa: ARG002
        """Those that answer."""
        return {target: self.times[target] for target in targets if target in self.times}

    def rewritten(self, source: Address, targets: Sequence[Address]) -> Mapping[Address, Address]:  # noqa: ARG002
        """Those that are tracked."""
        return {target: self.tracked[target] for target in targets if target in self.tracked}

    def ask(self, source: Address, target: Address, port: int) -> Address | None:  # noqa: ARG002
        """What its agent says."""
        return self.agents.get(target)
