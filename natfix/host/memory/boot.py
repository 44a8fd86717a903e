"""The twin of what systemd starts at boot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from natfix.app.collect_ports import Boot


@dataclass(frozen=True)
class MemoryBoot(Boot):
    """A boot that a test describes.

    Attributes:
        started: for each service those before it.
    """

    started: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def order(self) -> Mapping[str, tuple[str, ...]]:
        """The services that are started, with those before each."""
        return {name: tuple(sorted(before)) for name, before in sorted(self.started.items())}
