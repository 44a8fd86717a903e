"""What the guard needs of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from natfix.audit.guard import HeldGuards

if TYPE_CHECKING:  # natfix check needs no plans, and starts faster without them.
    from natfix.plan.guard import GuardChange


class GuardStore(Protocol):
    """The nftables tables of natfix's own, one for each family."""

    def read(self) -> HeldGuards:
        """Read them; a host without them, or without nftables, holds none.

        Raises:
            HostError: no rights, or nft is not there to read what the kernel holds.
        """
        ...

    def require(self) -> str:
        """Make sure that this kernel lets a guard do its work and nothing else; changes nothing.

        Returns:
            Where nobody may make a namespace to try it in: that the kernel's version was believed, in words. Else nothing.

        Raises:
            UnsupportedError: it does not: its nat chains exclude each other.
            HostError: nft is not installed; or it can be neither tried nor told by the version.
        """
        ...

    def put(self, change: GuardChange) -> None:
        """Make *change* in one kernel transaction; tables that it does not speak of stay.

        Raises:
            ConflictError: somebody changed the guard meanwhile; nothing was changed.
            HostError: no rights, no nft, or the kernel refused; nothing was changed.
        """
        ...
