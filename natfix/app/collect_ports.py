"""What a verdict depends on beside rules, addresses and routes, as Protocols: the kernel's state, saved files, the boot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Identity(NamedTuple):
    """Which host it is.

    Attributes:
        name: the host's name.
        kernel: the version of its kernel, as ``uname -r`` prints it.
    """

    name: str
    kernel: str


class KernelState(Protocol):
    """What the kernel does with packets beside rules, addresses and routes."""

    def identity(self) -> Identity:
        """Which host and which kernel it is."""
        ...

    def settings(self, devices: Sequence[str]) -> Mapping[str, str]:
        """Forwarding, reverse path filters and what bridges show to iptables, by their sysctl names.

        Args:
            devices: whose own settings are wanted too, beside ``all`` and ``default``.

        Returns:
            Those that the kernel has; bridge-nf-call-iptables is none as long as br_netfilter is not loaded.
        """
        ...

    def counters(self) -> Mapping[str, int]:
        """The counters of the connection tracking table, summed up over processors; empty without such a table."""
        ...

    def policies(self) -> Mapping[str, Sequence[str]]:
        """For each family (``ipv4``, ``ipv6``) the routing rules in their order, in the words of ``ip rule``.

        Tables are numbers: 255 is local, 254 main, 253 default.

        Raises:
            HostError: the kernel does not answer.
        """
        ...


class SavedFiles(Protocol):
    """The files that are loaded into iptables at boot, to be read."""

    def paths(self) -> Sequence[str]:
        """Where they lie; not each need be there."""
        ...

    def read(self, path: str) -> bytes | None:
        """Read one of them; None when it is not there yet.

        Raises:
            HostError: it is there and cannot be read.
        """
        ...


class Boot(Protocol):
    """What systemd starts at boot that has to do with NAT rules."""

    def order(self) -> Mapping[str, tuple[str, ...]]:
        """The services that load or write NAT rules, or correct them, that are started at boot.

        Returns:
            For each of them the others that are surely started before it, sorted; empty on a host without systemd.
        """
        ...
