"""The twin of a kernel's settings, counters and routing rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from natfix.app.collect_ports import Identity, KernelState
from natfix.errors import HostError

_POLICIES = {
    "ipv4": ("0: from all lookup 255", "32766: from all lookup 254", "32767: from all lookup 253"),
    "ipv6": ("0: from all lookup 255", "32766: from all lookup 254"),
}
_IDENTITY = Identity("web1", "6.1.0")


@dataclass(frozen=True)
class MemoryKernelState(KernelState):
    """A kernel that a test describes.

    Attributes:
        known: its settings, of any device.
        counted: its counters.
        rules: its routing rules; None for one that does not answer.
        is_called: its name and version.
    """

    known: Mapping[str, str] = field(default_factory=dict)
    counted: Mapping[str, int] = field(default_factory=dict)
    rules: Mapping[str, Sequence[str]] | None = field(default_factory=lambda: _POLICIES)
    is_called: Identity = _IDENTITY

    def identity(self) -> Identity:
        """Which host and which kernel it is."""
        return self.is_called

    def settings(self, devices: Sequence[str]) -> Mapping[str, str]:
        """Those that are known, of all devices but the ones that nobody asked for."""
        wanted = {"all", "default", *devices}
        return {name: value for name, value in self.known.items() if _device(name) in {"", *wanted}}

    def counters(self) -> Mapping[str, int]:
        """What was counted."""
        return self.counted

    def policies(self) -> Mapping[str, Sequence[str]]:
        """The routing rules of each family."""
        if self.rules is None:
            raise HostError("the kernel does not tell its links and routes: Operation not permitted")
        return self.rules


def _device(name: str) -> str:
    start, end = "net.ipv4.conf.", ".rp_filter"
    return name[len(start) : -len(end)] if name.startswith(start) and name.endswith(end) else ""
