"""Read what can drop packets on their way to a container; as little of it as tells the truth.

The table filter of a Kubernetes host is large. There chains are read one by one from FORWARD on, empty ones not at all, and
only where the chain DOCKER drops something, which it does from Docker 28 on. A chain that was not read is left out: a walk then
calls possible what depends on it. A small table is read whole, also without Docker where FORWARD lets nothing pass in the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from natfix.app.ports import Backend, Filters
from natfix.errors import UnsupportedError
from natfix.host.installed import Tools, installed
from natfix.host.listing import as_text, legacy_tables, read_chain, read_steadily, read_table
from natfix.host.nfnetlink import Nfnetlink
from natfix.host.nftables import chain_count, drops, has_chain, rules
from natfix.host.outcomes import refused
from natfix.host.programs import missing, run
from natfix.ruleset import Chain, Family, Ruleset, parse

_DOCKER = "DOCKER"
_HOOK = "FORWARD"
_MOST_CHAINS = 24
# So many that one look at the whole table takes no longer than one at a single chain; iptables also counts those of nat.
_FEW_CHAINS = 40
# What a rule consists of that is for every packet; iptables writes REJECT as a target of its own.
_NO_TESTS = frozenset({"counter", "immediate", "reject", "target"})
_CLOSED = re.compile(rf"^:{_HOOK} DROP |-A {_HOOK} -j (?:DROP|REJECT)\b", re.MULTILINE)


class HostFilters(Filters):
    """The tables filter and raw of this host; see natfix.app.ports.Filters."""

    def read(self, backend: Backend) -> Ruleset:
        """Read what can drop packets on their way to a container; nothing without Docker or a closed FORWARD."""
        tools = installed(backend)
        if tools is None:
            raise missing(str(backend))
        text = _read_legacy(backend, tools) if backend.variant == "legacy" else _read_nft(backend, tools)
        if not text:
            return Ruleset(str(backend), (), ())
        return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)


def _read_nft(backend: Backend, tools: Tools) -> str:
    with Nfnetlink() as kernel:
        if not has_chain(kernel, backend.family, "filter", _DOCKER) and not _is_closed(kernel, backend.family):
            return ""
        reader = _Reader(kernel, backend, tools)
        return read_steadily(kernel, backend, lambda: "".join(reader.tables()))


def _is_closed(kernel: Nfnetlink, family: Family) -> bool:
    """Whether a small table filter lets nothing pass at the end of FORWARD: by its policy, or by a rule that tests nothing."""
    if any(chain_count(kernel, family, table) > _FEW_CHAINS for table in ("filter", "nat")):
        return False
    if drops(kernel, family, "filter", _HOOK):
        return True
    return any({step.name for step in rule} <= _NO_TESTS for rule in rules(kernel, family, "filter", _HOOK))


class _Reader:
    """Reads chains of the nft variant, each once."""

    def __init__(self, kernel: Nfnetlink, backend: Backend, tools: Tools) -> None:
        self.kernel = kernel
        self.backend = backend
        self.tools = tools

    def tables(self) -> Iterator[str]:
        """The tables of which something was read."""
        for table, chains in (("filter", self.forwarding()), ("raw", self.read("raw", "PREROUTING"))):
            if chains:
                yield as_text(chains.values(), table)

    def forwarding(self) -> dict[str, Chain]:
        """FORWARD and what it reaches; the chain DOCKER alone where it drops nothing, and a small table whole."""
        if all(chain_count(self.kernel, self.backend.family, table) <= _FEW_CHAINS for table in ("filter", "nat")):
            with suppress(UnsupportedError):
                chains = read_table(self.kernel, self.backend, self.tools, "filter")
                return {chain.name: chain for chain in chains}
        met = self.read("filter", _DOCKER)
        if "DROP" not in _targets(met):
            return met
        waiting = [_HOOK, *_targets(met)]
        asked = {_DOCKER}
        while waiting and len(met) < _MOST_CHAINS:
            name = waiting.pop(0)
            if name not in asked:
                asked.add(name)
                new = self.read("filter", name)
                met |= new
                waiting += _targets(new)
                # Docker's own first: of all others only what they let in before matters.
                waiting.sort(key=lambda each: not each.startswith(_DOCKER))
        return met

    def read(self, table: str, name: str) -> dict[str, Chain]:
        """One chain by its name; nothing when it is not there or cannot be shown."""
        if not has_chain(self.kernel, self.backend.family, table, name):
            return {}
        if not rules(self.kernel, self.backend.family, table, name) and name != _HOOK:
            # The policy of a hook counts, so that one is read though it is empty.
            return {name: Chain(name, "-", None, (), (), str(self.backend))}
        with suppress(UnsupportedError):
            return {name: read_chain(self.kernel, self.backend, self.tools, table, name)}
        return {}


def _targets(chains: Mapping[str, Chain]) -> Sequence[str]:
    return tuple(dict.fromkeys(rule.target for chain in chains.values() for rule in chain.rules))


def _read_legacy(backend: Backend, tools: Tools) -> str:
    """Read the tables whole: the legacy kernel interface knows nothing smaller."""
    there = legacy_tables(backend.family)
    text = _save(tools, "filter") if "filter" in there else ""
    small = text.count("\n:") <= _FEW_CHAINS
    if f"\n:{_DOCKER} " not in text and not (small and _CLOSED.search(text)):
        return ""
    return text + (_save(tools, "raw") if "raw" in there else "")


def _save(tools: Tools, table: str) -> str:
    done = run(tools.save, "-c", "-t", table)
    if done.code != 0:
        raise refused(done)
    return done.output.decode("utf-8", "surrogateescape")
