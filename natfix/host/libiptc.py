"""The legacy nat table through python-iptables: the swap of a rule for its corrected twin, in one commit.

Its traps, and what is done about them (python-iptables 1.2.0 on Linux 6.18):

- it sees nothing of the nft variant: this store is made for the legacy one only;
- ``replace_rule`` fails with EINVAL: a rule is deleted and its twin inserted, before one commit;
- tables are cached objects that commit when they are dropped: commit is by hand here, and the handle closed each time;
- it takes no lock: the xtables lock is held from the look to the commit;
- its Rule objects rebuild an entry by way of the newest extension on the host, which can have another size than the one in
  the kernel: the entry is copied as bytes instead, and only its destination and counters are changed.

Which entry a script means is decided by its words, as iptables-legacy-save prints them. Anything but such swaps and plain
deletions goes to the iptables program, as does everything where python-iptables is not installed.
"""

from __future__ import annotations

import ctypes
import warnings
from collections.abc import Callable, Sequence
from typing import Protocol

from natfix.app.ports import Backend
from natfix.errors import ConflictError, HostError
from natfix.host.entries import IptcTable, copy_entry, correct_entry
from natfix.host.iptables import IptablesStore
from natfix.host.outcomes import gone
from natfix.host.script import Step, read_script, says_the_same
from natfix.host.swaps import Swap, swaps_of
from natfix.host.xtables_lock import hold
from natfix.ruleset import Family, Rule, Ruleset


class Library(Protocol):
    """What is used of the module iptc."""

    Table: Callable[..., IptcTable]
    Table6: Callable[..., IptcTable]
    IPTCError: type[Exception]


class LibiptcStore:
    """The legacy nat table of one family; see natfix.app.ports.RulesetStore.

    Args:
        binary: the same table through the iptables programs; reads, rehearses, and commits what python-iptables cannot.
    """

    def __init__(self, binary: IptablesStore) -> None:
        if binary.backend.variant != "legacy":
            raise ValueError(f"python-iptables sees nothing of {binary.backend}")
        self.binary = binary

    @property
    def backend(self) -> Backend:
        """Which one it is."""
        return self.binary.backend

    def read(self) -> Ruleset:
        """Read POSTROUTING and every chain it reaches, counters included."""
        return self.binary.read()

    def dump(self) -> bytes:
        """Read the whole ruleset of the backend, every table of it, as its save program prints it."""
        return self.binary.dump()

    def rehearse(self, script: str) -> str:
        """Load *script* in a scratch network namespace, over stand-ins for the rules it does not touch."""
        return self.binary.rehearse(script)

    def commit(self, script: str) -> None:
        """Apply *script* in one kernel transaction: all of it or nothing."""
        swaps = swaps_of(read_script(script))
        library = _library() if swaps else None
        if not swaps or library is None:
            self.binary.commit(script)
            return
        with hold(self.binary.lock, self.binary.wait):
            chains = _chains(self.binary.read(), swaps)
            _commit(library, self.backend.family, swaps, chains)


def _chains(ruleset: Ruleset, swaps: Sequence[Swap]) -> dict[str, list[Rule]]:
    chains: dict[str, list[Rule]] = {}
    for swap in swaps:
        chain = ruleset.tables[0].chain(swap.delete.chain)
        if chain is None:
            raise gone(swap.delete)
        chains[chain.name] = list(chain.rules)
    return chains


def _commit(library: Library, family: Family, swaps: Sequence[Swap], chains: dict[str, list[Rule]]) -> None:
    table: IptcTable | None = None
    try:
        table = (library.Table if family is Family.IPV4 else library.Table6)("nat", autocommit=False)
        table.refresh()
        for swap in swaps:
            _play(table, family, swap, chains[swap.delete.chain])
        table.commit()
    except library.IPTCError as error:
        raise _refused(str(error), swaps[0].delete) from error
    finally:
        if table is not None:
            table.close()


def _play(table: IptcTable, family: Family, swap: Swap, rules: list[Rule]) -> None:
    """Make one swap in the library's copy of the table, and the same one in *rules*."""
    chain, insert = swap.delete.chain, swap.insert
    number = _number_of(swap.delete, rules)
    entry = copy_entry(table, chain, number)
    every_bit = (ctypes.c_ubyte * len(entry))(*b"\xff" * len(entry))
    table.delete_entry(chain, entry, every_bit)
    del rules[number]
    if insert is not None and insert.rule is not None:
        correct_entry(entry, family, insert.rule)
        table.insert_entry(chain, entry, insert.number - 1)
        rules.insert(insert.number - 1, insert.rule)


def _number_of(step: Step, rules: Sequence[Rule]) -> int:
    for number, rule in enumerate(rules):
        if step.rule is not None and says_the_same(rule, step.rule):
            return number
    raise gone(step)


def _refused(words: str, step: Step) -> HostError | ConflictError:
    if "temporarily unavailable" in words:
        # The kernel's table is no longer the one the library read: somebody wrote without the lock.
        return gone(step)
    return HostError(f"libiptc refused the change: {words}; nothing was changed\n    {step.text}")


def _library() -> Library | None:
    """Import python-iptables; None where it is not installed or cannot be used."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import iptc  # noqa: PLC0415  (250 ms: it looks for its libraries with a compiler)
        except Exception:  # noqa: BLE001  (it raises what it meets: no compiler, no library, no distutils)
            return None
    found: Library = iptc
    return found
