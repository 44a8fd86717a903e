"""What natfix asks the kernel itself for, when all that a verdict depends on is written down, as a Protocol."""

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
