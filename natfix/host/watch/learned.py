"""A nat table that is looked at again and again: what the kernel holds is compared as bytes, and words are looked up.

Asking an iptables program costs 2 ms for a chain (nft) and up to 170 ms for a table of 50,000 rules (legacy), most of it for
rules that were there the last time. So the kernel itself is read, which takes a tenth of that, and the words of each rule are
looked up under its bytes, where they were put when an iptables program had printed both. Bytes that are not known make the
program be asked again. So the words are always the program's own.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol

from natfix.app.ports import Backend
from natfix.app.watch_ports import WatchedStore
from natfix.errors import BusyError, HostError, UnsupportedError
from natfix.host.iptables import IptablesStore
from natfix.host.listing import POSTROUTING
from natfix.host.outcomes import refused_commit
from natfix.host.programs import Done
from natfix.host.script import read_script
from natfix.ruleset import Chain, Counters, Ruleset, parse

_REMEMBERED: Final = 20_000
_SECONDS: Final = 60.0
_TRIES: Final = 10


class RawRule(NamedTuple):
    """A rule as the kernel holds it: its bytes without what counts packets, and the counters."""

    key: bytes
    counters: Counters


class RawChain(NamedTuple):
    """A chain as the kernel holds it.

    Attributes:
        name: its name.
        policy: ``-`` for a user-defined one.
        counters: the policy's.
        rules: in order.
        version: equal for two readings between which nobody touched the chain.
    """

    name: str
    policy: str
    counters: Counters
    rules: Sequence[RawRule]
    version: Sequence[object]


class Words(NamedTuple):
    """What iptables calls a rule, and the chain it leads to, or nothing."""

    text: str
    chain: str


class RawTable(Protocol):
    """The nat table of one backend, as bytes and, where these are not known, as its program says it."""

    def stamp(self) -> int | None:
        """A number that is another one after each change; None where there is none."""
        ...

    def begin(self) -> None:
        """Begin to read: chains are asked for as they are from now on."""
        ...

    def chain(self, name: str) -> RawChain | None:
        """Read one chain.

        Raises:
            HostError: the kernel refuses.
            BusyError: the chain changed all the time.
        """
        ...

    def leads(self, key: bytes, name: str) -> bool:
        """Whether a rule with these bytes leads to the chain *name*; a target of that name is something else."""
        ...

    def close(self) -> None:
        """Read no more."""
        ...

    def ask(self, name: str) -> Sequence[Chain]:
        """Let the program print the chain *name*, and perhaps others.

        Raises:
            HostError: the program failed.
            UnsupportedError: it cannot show what is there.
            LookupError: the chain has gone.
        """
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
        """Read POSTROUTING and every chain it reaches, counters included.

        Each chain is as it was at one moment. When others change in between, an event tells of it, and they are read again.
        """
        failures = 0
        while failures < _TRIES:
            self._raw.begin()
            found = self._known_chains()
            if not isinstance(found, str):
                text = "\n".join(["*nat", *self._lines(found), "COMMIT", ""])
                return parse(text.encode("utf-8", "surrogateescape"), str(self.backend), self.backend.family)
            failures += not self._learn(found)
        raise BusyError(
            f"rules of {self.backend} changed {_TRIES} times while they were read",
            hint="Try again when fewer programs change rules.",
        )

    def close(self) -> None:
        """Read no more."""
        self._raw.close()

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

    def _known_chains(self) -> list[tuple[RawChain, list[Words]]] | str:
        """Read the chains that POSTROUTING reaches; or give the name of one with a rule whose words are not known."""
        found = []
        waiting, asked = [POSTROUTING], {POSTROUTING}
        while waiting:
            chain = self._raw.chain(waiting.pop(0))
            if chain is None:
                continue
            known = [self._words.get((chain.name, rule.key)) for rule in chain.rules]
            words = [each for each in known if each is not None]
            if len(words) < len(known):
                return chain.name
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

    def _learn(self, name: str) -> bool:
        """Ask the program, and put its words under the bytes of chains that nobody touched meanwhile; tell if *name* is one."""
        self.asked += 1
        before = self._raw.chain(name)
        try:
            printed = self._raw.ask(name)
        except (LookupError, UnsupportedError):
            self._raw.begin()
            if self._raw.chain(name) == before:
                raise
            # A chain that was removed while it was read is also "incompatible".
            return False
        held = {chain.name: before if chain.name == name else self._raw.chain(chain.name) for chain in printed}
        self._raw.begin()
        learned = {chain.name for chain in printed if self._put(chain, held[chain.name])}
        return name in learned

    def _put(self, chain: Chain, before: RawChain | None) -> bool:
        """Learn the words of one chain, if it is still as it was before it was printed."""
        after = self._raw.chain(chain.name)
        if before is None or after is None or before.version != after.version or len(after.rules) != len(chain.rules):
            return False
        if len(self._words) > _REMEMBERED:
            self._words.clear()
        for held, rule in zip(after.rules, chain.rules, strict=True):
            leads = self._raw.leads(held.key, rule.target)
            self._words[chain.name, held.key] = Words(str(rule), rule.target if leads else "")
        return True


class AskedStore(IptablesStore):
    """A nat table of which natfix asks the program each time."""

    def stamp(self) -> int | None:
        """Nothing is known without a look."""
        return None

    def close(self) -> None:
        """Nothing is open."""
