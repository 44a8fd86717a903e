"""A nat table that is looked at again and again: what the kernel holds is compared as bytes, and words are looked up.

Asking an iptables program costs 2 ms for a chain (nft) and up to 170 ms for a table of 50,000 rules (legacy), most of it for
rules that were there the last time. So the kernel itself is read, which takes a tenth of that, and the words of each rule are
looked up under its bytes, where they were put when an iptables program had printed both. Bytes that are not known make the
program be asked again. So the words are always the program's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Final, NamedTuple, Protocol

from natfix.app.ports import Backend
from natfix.app.watch_ports import WatchedStore
from natfix.errors import BusyError, UnsupportedError
from natfix.host.iptables import IptablesStore
from natfix.host.listing import POSTROUTING
from natfix.host.outcomes import refused_commit
from natfix.host.script import read_script
from natfix.host.watch.program import Program
from natfix.host.xtables_lock import hold
from natfix.ruleset import Chain, Ruleset, Table, parse

_REMEMBERED: Final = 20_000
# What was learned stays, so that on a chain that others change all the time each try makes the next one shorter.
_TRIES: Final = 40
_PATIENCE: Final = 2


class RawRule(NamedTuple):
    """A rule as the kernel holds it: its bytes without what counts packets, and the counters: packets and bytes."""

    key: bytes
    counters: tuple[int, int]


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
    counters: tuple[int, int]
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
        self._last: tuple[object, Ruleset] | None = None
        self._program: Program | None = None
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
        self._restore.prepare()
        failures = 0
        while failures < _TRIES:
            self._raw.begin()
            found = self._known_chains()
            if not isinstance(found, str):
                return self._ruleset(found)
            with self._quiet(failures):
                failures += not self._learn(found)
        raise BusyError(
            f"rules of {self.backend} changed {_TRIES} times while they were read",
            hint="Try again when fewer programs change rules.",
        )

    def close(self) -> None:
        """Read no more."""
        self._raw.close()
        if self._program:
            self._program.close()

    def dump(self) -> bytes:
        """Read the whole ruleset of the backend, every table of it, as its save program prints it."""
        return self._binary.dump()

    def rehearse(self, script: str) -> str:
        """Load *script* in a scratch network namespace, over stand-ins for the rules it does not touch."""
        return self._binary.rehearse(script)

    def commit(self, script: str) -> None:
        """Apply *script* in one kernel transaction: all of it or nothing."""
        done = self._restore.run(script.encode("utf-8", "surrogateescape"))
        if done.code != 0:
            raise refused_commit(done, read_script(script), self._binary.wait, self._binary.lock)

    @property
    def _restore(self) -> Program:
        """The program that commits; what it knows is asked once, for asking takes as long as a small commit."""
        if self._program is None:
            words, variables = self._binary.restore_command(), self._binary.environment
            self._program = Program(words, variables, self._own, ready=self.backend.variant == "legacy")
        return self._program

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

    def _quiet(self, failures: int) -> AbstractContextManager[None]:
        """Where others were in the way twice, keep them waiting: legacy programs by their lock; nft has none."""
        if failures < _PATIENCE or self.backend.variant == "nft":
            return nullcontext()
        return hold(self._binary.lock, self._binary.wait)

    def _ruleset(self, chains: Sequence[tuple[RawChain, list[Words]]]) -> Ruleset:
        """Make a ruleset; one that differs from the last one in counters alone is not parsed again."""
        lines = ("*nat", *_lines(chains), "COMMIT", "")
        said = [(chain.name, words) for chain, words in chains]
        if self._last is None or self._last[0] != said:
            text = "\n".join(lines).encode("utf-8", "surrogateescape")
            self._last = said, parse(text, str(self.backend), self.backend.family)
        last = self._last[1]
        table = last.tables[0]
        fresh = Table(
            table.name, table.family, table.start, table.stop, table.declared, table.places, lines, table.source
        )  # fmt: skip
        return Ruleset(last.source, lines, (fresh,))

    def _learn(self, name: str) -> bool:
        """Ask the program, and put its words under the bytes of chains that nobody touched meanwhile; tell if *name* is one."""
        self.asked += 1
        stamp = self._raw.stamp()
        self._raw.begin()
        before = self._raw.chain(name)
        try:
            printed = self._raw.ask(name)
        except (LookupError, UnsupportedError):
            self._raw.begin()
            # A rule that came and went meanwhile leaves the chain as it was, but for the number of the ruleset.
            if self._raw.chain(name) == before and self._raw.stamp() == stamp:
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


def _lines(chains: Sequence[tuple[RawChain, list[Words]]]) -> Iterator[str]:
    """Spell chains as ``iptables-save -c`` does."""
    if not chains:
        yield f":{POSTROUTING} ACCEPT [0:0]"
    for chain, _ in chains:
        yield f":{chain.name} {chain.policy} [{chain.counters[0]}:{chain.counters[1]}]"
    for chain, words in chains:
        for (_, (packets, size)), said in zip(chain.rules, words, strict=True):
            yield f"[{packets}:{size}] {said.text}"


class AskedStore(IptablesStore):
    """A nat table of which natfix asks the program each time."""

    def stamp(self) -> int | None:
        """Nothing is known without a look."""
        return None

    def close(self) -> None:
        """Nothing is open."""
