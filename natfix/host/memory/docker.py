"""The in-memory twin of a Docker daemon."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.docker_ports import Docker, DockerNetwork
from natfix.errors import HostError


class MemoryDocker(Docker):
    """A daemon that a test describes.

    Args:
        networks: its networks; None for one that does not answer.
        validates: whether it can be asked about a text; it then refuses the options of *refused*.
        refused: words that no text may hold.
    """

    def __init__(
        self, networks: Sequence[DockerNetwork] | None = (), *, validates: bool = True, refused: Sequence[bytes] = ()
    ) -> None:
        self._networks = networks
        self._validates = validates
        self._refused = tuple(refused)

    def networks(self) -> Sequence[DockerNetwork]:
        """What was given, sorted by name."""
        if self._networks is None:
            raise HostError("Docker does not answer at /var/run/docker.sock")
        return sorted(self._networks, key=lambda network: network.name)

    def validate(self, data: bytes) -> bool:
        """Refuse what was to be refused."""
        for words in self._refused if self._validates else ():
            if words in data:
                raise HostError(f"dockerd refuses the daemon.json: {words.decode()} is not known")
        return self._validates
