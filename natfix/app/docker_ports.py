"""What natfix needs of Docker itself, as a Protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DockerNetwork:
    """One network of the driver ``bridge``, as Docker tells it.

    Attributes:
        name: what people call it.
        bridge: its device.
        subnets: each with its gateway, which may be empty.
        options: what was given with ``-o``.
        internal: whether it leads to no other host.
        ipv6: whether it has IPv6.
    """

    name: str
    bridge: str
    subnets: tuple[tuple[str, str], ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    internal: bool = False
    ipv6: bool = False


class Docker(Protocol):
    """The Docker daemon of this host."""

    def networks(self) -> Sequence[DockerNetwork]:
        """Its networks of the driver ``bridge``, sorted by name.

        Raises:
            HostError: it does not answer, or does not want to.
        """
        ...

    def validate(self, data: bytes) -> bool:
        """Let it read a daemon.json as it would at its start; nothing is started.

        Returns:
            Whether it could be asked: Docker before 23.0 cannot.

        Raises:
            HostError: it refuses the text; its own words are in the message.
        """
        ...
