"""The in-memory twin of the guard's tables."""

from __future__ import annotations

from natfix.app.guard_ports import GuardStore
from natfix.audit.guard import HeldGuards, guard_of
from natfix.errors import ConflictError
from natfix.host.guard_probe import require_chains
from natfix.host.two_chains import Observation
from natfix.plan.guard import GuardChange

MODERN = Observation(unbound="127.0.0.9", bound="127.0.0.1")


class MemoryGuardStore(GuardStore):
    """Tables that live in this object.

    Args:
        kernel: what trying this kernel's nat chains shows.

    Attributes:
        held: what is there; a test may put something else there, as another program would.
        unproved: what ``require`` says where it could not try.
    """

    def __init__(self, kernel: Observation = MODERN) -> None:
        self.held = HeldGuards()
        self.unproved = ""
        self._kernel = kernel

    def read(self) -> HeldGuards:
        """Read them."""
        return self.held

    def require(self) -> str:
        """Judge the kernel as the real one does.

        Raises:
            UnsupportedError: its nat chains exclude each other.
        """
        require_chains(self._kernel)
        return self.unproved

    def put(self, change: GuardChange) -> None:
        """Make *change*.

        Raises:
            ConflictError: one of the guards it makes another of is not there.
        """
        for family in change.families:
            before = guard_of(change.before, family)
            edited = before and guard_of(change.after, family) and family not in change.altered
            if edited and self.held.of(family) != before:
                raise ConflictError("somebody changed the guard meanwhile; nothing was changed", hint="Try again.")
        changed = change.families
        kept = [guard for guard in self.held.guards if guard.family not in changed]
        new = [guard for family in changed if (guard := guard_of(change.after, family))]
        altered = tuple(family for family in self.held.altered if family not in changed)
        self.held = HeldGuards(tuple(sorted([*kept, *new], key=lambda guard: guard.family)), altered)
