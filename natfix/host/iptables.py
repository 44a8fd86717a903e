"""The nat table through the iptables programs: both variants, both families.

Reading costs what POSTROUTING reaches, not what the table holds (natfix.host.listing). Writing is one
``iptables-restore --noflush``, which the kernel takes whole or not at all; a ``-D`` of a rule that is no longer there makes
it refuse the whole, so that a change is made on the rules that were read or not made. Counters given with ``-c`` are kept,
except by ip6tables-nft 1.8.9, which starts every rule it writes at 0.
"""

from __future__ import annotations

import os
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

from natfix.app.ports import Backend, Variant
from natfix.errors import HostError
from natfix.host.installed import Tools, installed
from natfix.host.listing import as_text, dump, holds_any, holds_nat, read_chains
from natfix.host.outcomes import refused_commit, refused_rehearsal
from natfix.host.programs import missing, run
from natfix.host.scratch import NoScratchError, run_in_scratch, stand_in
from natfix.host.script import read_script
from natfix.host.xtables_lock import XTABLES_LOCK, hold
from natfix.ruleset import Family, Ruleset, parse

_VARIANTS: tuple[Variant, ...] = ("nft", "legacy")


@dataclass(frozen=True)
class IptablesStore:
    """The nat table of one backend, through its programs; see natfix.app.ports.RulesetStore.

    Attributes:
        backend: which one.
        tools: its programs.
        wait: seconds to wait for the xtables lock; the nft variant takes none.
        lock: the file of that lock.
    """

    backend: Backend
    tools: Tools
    wait: int = 5
    lock: str = XTABLES_LOCK

    def read(self) -> Ruleset:
        """Read POSTROUTING and every chain it reaches, counters included."""
        text = as_text(read_chains(self.backend, self.tools))
        return parse(text.encode("utf-8", "surrogateescape"), str(self.backend), self.backend.family)

    def dump(self) -> bytes:
        """Read the whole ruleset of the backend, every table of it, as its save program prints it."""
        return dump(self.backend, self.tools)

    def rehearse(self, script: str) -> str:
        """Load *script* in a scratch network namespace, over stand-ins for the rules it does not touch."""
        before = stand_in(self.read().tables[0], script)
        command, data = self.restore_command(), _bytes(before + script)
        try:
            done = run_in_scratch(*command, data=data, environment=self.environment)
        except NoScratchError as error:
            return self._read_through(script, error)
        if done.code != 0:
            raise refused_rehearsal(done, read_script(script), before.count("\n"), self.wait, self.lock)
        return ""

    def _read_through(self, script: str, why: HostError) -> str:
        """Let the program read *script* and stop before the commit: all that can be had where no namespace can be made."""
        done = run(*self.restore_command(), "--test", data=_bytes(script), environment=self.environment)
        if done.code != 0:
            raise refused_commit(done, read_script(script), self.wait, self.lock)
        return (
            f"{self.backend}: not rehearsed, for {why.message}; iptables-restore --test takes the change, and the kernel makes "
            "it whole or not at all"
        )

    def commit(self, script: str) -> None:
        """Apply *script* in one kernel transaction: all of it or nothing."""
        command = self.restore_command()
        # Restore before 1.6.2 takes no lock, so natfix takes it in its place.
        unlocked = self.backend.variant == "legacy" and len(command) == len(self._restore_words)
        with hold(self.lock, self.wait) if unlocked else nullcontext():
            done = run(*command, data=_bytes(script), environment=self.environment)
        if done.code != 0:
            raise refused_commit(done, read_script(script), self.wait, self.lock)

    @property
    def _restore_words(self) -> tuple[str, ...]:
        return (self.tools.restore, "--noflush")

    def restore_command(self) -> tuple[str, ...]:
        """The command that applies a script, with a bounded wait where it knows of one (1.6.2, and RHEL 7's 1.4.21)."""
        if self.backend.variant == "nft":
            return self._restore_words
        usage = run(self.tools.restore, "--help")
        knows_wait = "--wait" in usage.complaint or b"--wait" in usage.output
        return (*self._restore_words, f"--wait={self.wait}") if knows_wait else self._restore_words

    @property
    def environment(self) -> dict[str, str]:
        """Variables that its programs need beside those of this process."""
        return {} if self.lock == XTABLES_LOCK else {"XTABLES_LOCKFILE": self.lock}


class Stores(NamedTuple):
    """Where this host can hold nat rules.

    Attributes:
        usable: the stores of every backend whose programs are installed; nft before legacy, IPv4 before IPv6.
        active: those of them whose nat table is in the kernel.
        marking: those of which only tables are in the kernel that can mark packets for the nat tables of others.
        unreadable: backends whose nat table is in the kernel and whose programs are not installed.
    """

    usable: tuple[IptablesStore, ...]
    active: tuple[IptablesStore, ...]
    unreadable: tuple[Backend, ...]
    marking: tuple[IptablesStore, ...] = ()


def find_stores(wait: int = 5, lock: str = XTABLES_LOCK) -> Stores:
    """Look where this host can hold nat rules, and where it does; changes nothing and loads no module.

    Raises:
        HostError: no rights.
    """
    backends = [Backend(family, variant) for variant, family in product(_VARIANTS, Family)]
    found = {backend: installed(backend) for backend in backends}
    stores = {backend: IptablesStore(backend, tools, wait, lock) for backend, tools in found.items() if tools}
    held = [backend for backend, tools in found.items() if _is_harmless_to_ask(backend, tools) and holds_nat(backend)]
    return Stores(
        usable=tuple(stores.values()),
        active=tuple(stores[backend] for backend in held if backend in stores),
        unreadable=tuple(backend for backend in held if backend not in stores),
        marking=tuple(
            store for backend, store in stores.items() if backend not in held and holds_any(backend, ("raw", "mangle"))
        ),
    )


def open_store(backend: Backend, wait: int = 5, lock: str = XTABLES_LOCK) -> IptablesStore:
    """Make the store of one backend.

    Raises:
        HostError: its programs are not installed.
    """
    tools = installed(backend)
    if tools is None:
        raise missing(str(backend))
    return IptablesStore(backend, tools, wait, lock)


def _is_harmless_to_ask(backend: Backend, tools: Tools | None) -> bool:
    """Tell whether a look loads no module: one at nft would load nf_tables on a host that has only legacy programs."""
    return backend.variant == "legacy" or tools is not None or os.path.isdir("/sys/module/nf_tables")  # noqa: PTH112


def _bytes(script: str) -> bytes:
    return script.encode("utf-8", "surrogateescape")
