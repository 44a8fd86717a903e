"""The nat tables of this host, of which new ones can appear while it is watched."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack

from natfix.app.ports import Backend, Variant
from natfix.app.watch_ports import WatchedStore, WatchedTables
from natfix.host.iptables import IptablesStore
from natfix.host.listing import holds_nat
from natfix.host.nfnetlink import Nfnetlink
from natfix.host.nftables import has_table
from natfix.host.watch.learned import AskedStore, LearnedStore
from natfix.host.watch.raw_legacy import RawLegacy
from natfix.host.watch.raw_nft import RawNft

_POINTER_BITS_KNOWN = 64


class HostTables(WatchedTables):
    """The nat tables of this thread's network namespace.

    Args:
        usable: the stores of every backend whose programs are installed.
        own: gets the pids of the programs that commit.
    """

    def __init__(self, usable: Sequence[IptablesStore], own: set[int] | None = None) -> None:
        self._usable = tuple(usable)
        self._own = own if own is not None else set()
        self._learned: dict[Backend, LearnedStore | AskedStore] = {}
        self._kernel: Nfnetlink | None = None
        self._open = ExitStack()

    def active(self, variants: Collection[Variant] = ("nft", "legacy")) -> Iterator[WatchedStore]:
        """Those of some variants that are in the kernel when their turn comes; always the same objects."""
        for store in self._usable:
            if store.backend.variant in variants and self._is_active(store.backend):
                yield self._store(store)

    def close(self) -> None:
        """Look no more."""
        self._open.close()
        for store in self._learned.values():
            store.close()

    def _is_active(self, backend: Backend) -> bool:
        if backend.variant == "legacy":
            return holds_nat(backend)
        # A socket to nftables that is closed waits until the last commit is cleared away, 10 ms; so this one stays.
        self._kernel = self._kernel or self._open.enter_context(Nfnetlink())
        return has_table(self._kernel, backend.family, "nat")

    def _store(self, store: IptablesStore) -> LearnedStore | AskedStore:
        known = self._learned.get(store.backend)
        if known is None:
            known = self._learned[store.backend] = _open(store, self._own)
        return known


def _open(store: IptablesStore, own: set[int]) -> LearnedStore | AskedStore:
    if store.backend.variant == "nft":
        return LearnedStore(store, RawNft(store), own)
    # The entries of a 32-bit kernel lie otherwise: there the program is asked each time.
    return (
        LearnedStore(store, RawLegacy(store), own)
        if struct.calcsize("P") * 8 == _POINTER_BITS_KNOWN
        else AskedStore(store.backend, store.tools, store.wait, store.lock)
    )
