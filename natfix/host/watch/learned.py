"""A nat table that is looked at again and again: what the kernel holds is compared as bytes, and words are looked up.

Asking an iptables program costs 2 ms for a chain (nft) and up to 170 ms for a table of 50,000 rules (legacy), most of it for
rules that were there the last time. So the kernel itself is read, which takes a tenth of that, and the words of each rule are
looked up under its bytes, where they were put when an iptables program had printed both. Bytes that are not known make the
program be asked again. So the words are always the program's own.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from natfix.app.ports import Backend
from natfix.app.watch_ports import WatchedStore
from natfix.errors import HostError, NatfixError
from natfix.host.iptables import IptablesStore
from natfix.host.listing import POSTROUTING
from natfix.host.outcomes import refused_commit
from natfix.host.programs import Done
from natfix.host.script import read_script
from natfix.ruleset import Counters, Ruleset, Table, parse

_REMEMBERED: Final = 20_000
_SECONDS: Final = 60.0


class RawRule(NamedTuple):
    """A rule as the kernel holds it: its bytes without what counts packets, and the counters."""

    key: bytes
    counters: Counters


class RawChain(NamedTuple):
    """A chain as the kernel holds it; the policy is ``-`` for a user-defined one."""

    name: str
    policy: str
    counters: Counters
    rules: Sequence[RawRule]


class Words(NamedTuple):
    """What iptables calls a rule, and the chain it leads to, or nothing."""

    text: str
    chain: str


class RawTable(Protocol):
    """The nat table of one backend, as bytes."""

    def stamp(self) -> int | None:
        """A number that is another one after each change; None where there is none."""
        ...

    def chain(self, name: str) -> RawChain | None:
        """Read one chain.

        Raises:
            HostError: the kernel refuses.
        """
        ...

    def begin(self) -> object:
        """Begin to read; what is given is equal the next time when nothing changed in between."""
        ...

    def is_whole(self, version: object) -> bool:
        """Whether what was read since begin gave *version* belongs together."""
        ...


class LearnedStore(WatchedStore):
    """The nat table of one backend, read by way of its bytes; see natfix.app.ports.RulesetStore.

    Args:
        binary: the same table through the iptables programs; rehearses, and is asked for words.
        raw: the table as bytes.
        own: gets the pids of the programs that commit for this store.
    """

    def __init__(self, binary: IptablesStore, raw: RawTable, own: set[int] | None = None) -> None:
        self._binary = binary
        self._raw = raw
        self._own = own if own is not None else set()
        self._words: dict[tuple[str, bytes], Words] = {}
        self._command: tuple[str, ...] = ()
        self.asked = 0

    @property
    def backend(self) -> Backend:
        """Which one it is."""
        return self._binary.backend

    def stamp(self) -> int | None:
        """The generation of the nft ruleset; None for legacy, which has none."""
        return self._raw.stamp()

    def read(self) -> Ruleset:
        """Read POSTROUTING and every chain it reaches, counters included."""
        version = self._raw.begin()
        chains = self._known_chains()
        if chains is not None and self._raw.is_whole(version):
            text = "\n".join(["*nat", *self._lines(chains), "COMMIT", ""])
            return parse(text.encode("utf-8", "surrogateescape"), str(self.backend), self.backend.family)
        return self._learn()

    def dump(self) -> bytes:
        """Read the whole ruleset of the backend, every table of it, as its save program prints it."""
        return self._binary.dump()

    def rehearse(self, script: str) -> None:
        """Load *script* in a scratch network namespace, over stand-ins for the rules it does not touch."""
        self._binary.rehearse(script)

    def commit(self, script: str) -> None:
        """Apply *script* in one kernel transaction: all of it or nothing."""
        done = self._restore(script.encode("utf-8", "surrogateescape"))
        if done.code != 0:
            raise refused_commit(done, read_script(script), self._binary.wait, self._binary.lock)

    def _restore(self, data: bytes) -> Done:
        """Run the program that commits, and remember its pid, so that its event wakes nobody."""
        # What the program knows is asked once: asking costs as much as a small commit.
        self._command = self._command or self._binary.restore_command()
        with subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env={**os.environ, **self._binary.environment, "LC_ALL": "C", "LANGUAGE": "C"},
        ) as process:  # fmt: skip
            self._own.clear()
            self._own.add(process.pid)
            try:
                _, complaint = process.communicate(data, _SECONDS)
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise HostError(f"{self._command[0]} did not end within {_SECONDS:g} s and was stopped") from error
        return Done(self._command, process.returncode, b"", complaint.decode("utf-8", "replace").strip())

    def _known_chains(self) -> list[tuple[RawChain, list[Words]]] | None:
        """Read the chains that POSTROUTING reaches; None when there is a rule whose words are not known."""
        found = []
        waiting, asked = [POSTROUTING], {POSTROUTING}
        while waiting:
            chain = self._raw.chain(waiting.pop(0))
            if chain is None:
                continue
            known = [self._words.get((chain.name, rule.key)) for rule in chain.rules]
            words = [each for each in known if each is not None]
            if len(words) < len(known):
                return None
            found.append((chain, words))
            new = [each.chain for each in words if each.chain and each.chain not in asked]
            asked.update(new)
            waiting.extend(dict.fromkeys(new))
        return found

    @staticmethod
    def _lines(chains: Sequence[tuple[RawChain, list[Words]]]) -> Iterable[str]:
        if not chains:
            yield f":{POSTROUTING} ACCEPT [0:0]"
        for chain, _ in chains:
            yield f":{chain.name} {chain.policy} [{chain.counters.packets}:{chain.counters.bytes}]"
        for chain, words in chains:
            for rule, said in zip(chain.rules, words, strict=True):
                yield f"[{rule.counters.packets}:{rule.counters.bytes}] {said.text}"

    def _learn(self) -> Ruleset:
        """Ask the program, and put its words under the bytes, if nothing changed meanwhile."""
        self.asked += 1
        version = self._raw.begin()
        ruleset = self._binary.read()
        (table,) = ruleset.tables
        raw = {}
        with contextlib.suppress(NatfixError):
            raw = {name: self._raw.chain(name) for name in table.declared}
        if self._raw.begin() == version:
            for name, chain in raw.items():
                self._put(table, name, chain)
        return ruleset

    def _put(self, table: Table, name: str, raw: RawChain | None) -> None:
        chain = table.chain(name)
        if raw is None or chain is None or len(raw.rules) != len(chain.rules):
            return
        if len(self._words) > _REMEMBERED:
            self._words.clear()
        for held, rule in zip(raw.rules, chain.rules, strict=True):
            target = rule.target if rule.target in table.declared else ""
            self._words[name, held.key] = Words(str(rule), target)
