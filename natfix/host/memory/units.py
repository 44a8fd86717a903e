"""The in-memory twin of systemd and its unit files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from natfix.app.units import Units
from natfix.errors import HostError


class MemoryUnits(Units):
    """Unit files in a dictionary, and a service manager that starts them without doing anything.

    Args:
        files: the unit files that are there.
        states: for a unit how it is after its start, where that is not ``active``, or ``inactive`` for a service that does
            one thing and ends.

    Attributes:
        files: what is there now.
        loaded: what the service manager has read.
        enabled: the units that start at boot.
        states: how units are.
        refusals: for a unit file or a unit the error that it meets; a test puts it there.
        calls: what was asked for, oldest first.
        asked: whether there is a service manager at all, and not only a folder.
    """

    def __init__(self, files: Mapping[str, bytes] | None = None, states: Mapping[str, str] | None = None) -> None:
        self.files = dict(files or {})
        self.loaded = dict(self.files)
        self.enabled: set[str] = set()
        self.states: dict[str, str] = {}
        self.refusals: dict[str, HostError] = {}
        self.calls: list[str] = []
        self.asked = True
        self._after = dict(states or {})
        self._memory: bytes | None = None

    @property
    def live(self) -> bool:
        """Whether the service manager is asked."""
        return self.asked

    def require(self) -> None:
        """Find nothing wrong."""

    def path(self, name: str) -> str:
        """Where a unit file would lie."""
        return f"/etc/systemd/system/{name}"

    def read(self, name: str) -> bytes | None:
        """Read a unit file; None when there is none."""
        return self.files.get(name)

    def place(self, name: str, data: bytes) -> None:
        """Put a unit file in place.

        Raises:
            HostError: it is refused.
        """
        self._meet_refusal(name)
        self.files[name] = data

    def remove(self, name: str) -> None:
        """Remove a unit file; one that is not there is no error.

        Raises:
            HostError: it is refused.
        """
        self._meet_refusal(name)
        self.files.pop(name, None)

    def reload(self) -> None:
        """Read the unit files."""
        self.calls.append("reload")
        self.loaded = dict(self.files)

    def enable(self, names: Sequence[str]) -> None:
        """Start units at each boot, and now.

        Raises:
            HostError: one is not known, or refused.
        """
        for name in names:
            if name not in self.files:
                raise HostError(f"Unit file {name} does not exist.")
            self._meet_refusal(name)
            self.calls.append(f"enable {name}")
            self.enabled.add(name)
            self.states[name] = self._after.get(name, "active")

    def disable(self, names: Sequence[str]) -> None:
        """Stop units, and start them at no boot; those without a file are no error."""
        for name in names:
            if name in self.files:
                self.calls.append(f"disable {name}")
                self.enabled.discard(name)
                self.states[name] = "inactive"

    def state(self, name: str) -> str:
        """How a unit is."""
        return self.states.get(name, "inactive")

    def recall(self) -> bytes | None:
        """What was remembered."""
        return self._memory

    def remember(self, data: bytes | None) -> None:
        """Keep *data*."""
        self._memory = data

    def _meet_refusal(self, name: str) -> None:
        if name in self.refusals:
            raise self.refusals[name]
