"""What installing needs of the service manager: the Units port.

Its real implementation is natfix/host/units.py, its in-memory twin natfix/host/memory/units.py; tests/contract/test_units.py
holds both to the same behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Units(Protocol):
    """The unit files that an administrator puts in place, and the service manager that obeys them.

    Names are those of systemd: ``natfix-watch.service``, or ``docker.service.d/natfix.conf`` for a drop-in.
    """

    @property
    def live(self) -> bool:
        """Whether the service manager of this host is asked; not when another root directory is only prepared."""
        ...

    def require(self) -> None:
        """Make sure that units can be installed here.

        Raises:
            UnsupportedError: no systemd manages this host.
            HostError: its program is missing, or this is not root.
        """
        ...

    def path(self, name: str) -> str:
        """Where a unit file lies, or would lie."""
        ...

    def read(self, name: str) -> bytes | None:
        """Read a unit file; None when there is none.

        Raises:
            HostError: it cannot be read.
        """
        ...

    def place(self, name: str, data: bytes) -> None:
        """Put a unit file in place, whole or not at all, and make its folder if it is missing.

        Raises:
            HostError: it cannot be written.
        """
        ...

    def remove(self, name: str) -> None:
        """Remove a unit file, and the folder of a drop-in when it is empty; one that is not there is no error.

        Raises:
            HostError: it cannot be removed.
        """
        ...

    def reload(self) -> None:
        """Let the service manager read the unit files again.

        Raises:
            HostError: it refuses.
        """
        ...

    def enable(self, names: Sequence[str]) -> None:
        """Start units at each boot, and now, anew if they run; wait until they are started.

        Raises:
            HostError: one does not start; the message is the service manager's own.
        """
        ...

    def disable(self, names: Sequence[str]) -> None:
        """Stop units now, and start them at no boot; what is not enabled is no error.

        Raises:
            HostError: the service manager refuses.
        """
        ...

    def state(self, name: str) -> str:
        """How a unit is: ``active``, ``inactive``, ``failed`` or another of systemd's words.

        Raises:
            HostError: the service manager does not tell.
        """
        ...

    def recall(self) -> bytes | None:
        """What was remembered; None when nothing was.

        Raises:
            HostError: it cannot be read.
        """
        ...

    def remember(self, data: bytes | None) -> None:
        """Keep *data* for later; None forgets it, and leaves nothing behind.

        Raises:
            HostError: it cannot be written.
        """
        ...
