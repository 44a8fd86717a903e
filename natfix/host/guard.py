"""The guard in the kernel, through the nft program: one transaction to change it, JSON to read it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from natfix.app.guard_ports import GuardStore
from natfix.audit.guard import TABLE, Guard, HeldGuards, nft_family, table_name
from natfix.errors import ConflictError, HostError, NatfixError
from natfix.host.nfnetlink import Nfnetlink, needs_root
from natfix.host.nftables import has_table
from natfix.host.programs import Done, died, find, run
from natfix.ruleset import Family

if TYPE_CHECKING:  # natfix check needs no plans, and starts faster without them.
    from natfix.plan.guard import GuardChange


class NftGuardStore(GuardStore):
    """The tables ``ip natfix`` and ``ip6 natfix`` of this thread's network namespace."""

    def __init__(self) -> None:
        self._kernel_is_able: str | None = None

    def read(self) -> HeldGuards:
        """Read them; the kernel is asked first, as it answers a hundred times faster than nft.

        Raises:
            HostError: no rights, or nft cannot show them.
        """
        if find("nft") is None:
            # A question to the kernel could load nf_tables where nobody uses it.
            return HeldGuards()
        with Nfnetlink() as kernel:
            there = [family for family in Family if has_table(kernel, family, TABLE)]
        return _read(there) if there else HeldGuards()

    def require(self) -> str:
        """Try in a scratch network namespace whether nat chains can stand side by side; once, as a kernel does not change.

        Returns:
            That the kernel's version was believed, where there can be no scratch namespace; else nothing.

        Raises:
            UnsupportedError: they exclude each other.
            HostError: nft is not installed; or there can be no scratch namespace, and the kernel is older than 4.18.
        """
        from natfix.host.guard_probe import try_kernel  # noqa: PLC0415  (of use to guard on alone)

        if self._kernel_is_able is None:
            self._kernel_is_able = try_kernel()
        return self._kernel_is_able

    def put(self, change: GuardChange) -> None:
        """Make *change* with one ``nft -f``.

        Raises:
            ConflictError: somebody changed it meanwhile; nothing was changed.
            HostError: no rights, no nft, or the kernel refused; nothing was changed.
        """
        if change:
            done = run("nft", "-f", "-", data=change.script.encode())
            if done.code != 0:
                raise _refused(done, "changed")


def _read(families: list[Family]) -> HeldGuards:
    from natfix.plan.guard_listing import read_listing  # noqa: PLC0415  (start-up time: few hosts have a guard)

    listings = {family: listing for family in families if (listing := _listing(family)) is not None}
    held: dict[Family, Guard | None] = {family: read_listing(listing, family) for family, listing in listings.items()}
    guards = tuple(guard for guard in held.values() if guard is not None)
    return HeldGuards(guards, tuple(family for family, guard in held.items() if guard is None))


def _listing(family: Family) -> object:
    """What nft prints of the table of *family* as JSON; None when it has gone since the kernel was asked."""
    import json  # noqa: PLC0415  (as above)

    done = run("nft", "-j", "list", "table", nft_family(family), TABLE)
    if done.code == 0:
        return json.loads(done.output)
    if "No such file" in done.complaint:
        return None
    raise _refused(done, f"read ({table_name(family)})")


def _refused(done: Done, what: str) -> NatfixError:
    if "Operation not permitted" in done.complaint:
        return needs_root()
    if "No such file" in done.complaint:
        return ConflictError(f"somebody changed the guard meanwhile; nothing was changed: {done.complaint}", hint="Try again.")
    if done.crashed:
        return died(done)
    hint = "It needs nft 0.9.0 or later with JSON (nft --version)." if "JSON" in done.complaint else None
    return HostError(f"the guard cannot be {what}: {done}: {done.complaint}", hint=hint)
