"""Read the tables beside nat: what drops packets on their way to a container, what marks them; as little as tells the truth.

The table filter of a Kubernetes host is large. There chains are read one by one from FORWARD on, empty ones not at all, and
only where the chain DOCKER drops something, which it does from Docker 28 on. A chain that was not read is left out: a walk then
calls possible what depends on it. A small table is read whole, also without Docker where FORWARD lets nothing pass in the end.

The tables raw and mangle hold no rules on most hosts, and the kernel is asked for that first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress

from natfix.app.ports import Backend, Filters
from natfix.audit.subject import BEFORE_NAT
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
    """The tables filter, raw and mangle of this host; see natfix.app.ports.Filters."""

    def read(self, backend: Backend) -> Ruleset:
        """Read what can drop packets on their way to a container; nothing without Docker or a closed FORWARD."""
        tools = installed(backend)
        if tools is None:
            raise missing(str(backend))
        return _parsed(_filter_legacy(backend, tools) if backend.variant == "legacy" else _filter_nft(backend, tools), backend)

    def before_nat(self, backend: Backend) -> Ruleset:
        """Read what packets pass before nat POSTROUTING and can be marked by, where there are rules."""
        return _parsed(_before_legacy(backend) if backend.variant == "legacy" else _before_nft(backend), backend)


def _parsed(text: str, backend: Backend) -> Ruleset:
    if not text:
        return Ruleset(str(backend), (), ())
    return parse(text.encode("utf-8", "surrogateescape"), str(backend), backend.family)


def _filter_nft(backend: Backend, tools: Tools) -> str:
    with Nfnetlink() as kernel:
        if not has_chain(kernel, backend.family, "filter", _DOCKER) and not _is_closed(kernel, backend.family):
            return ""
        reader = _Reader(kernel, backend, tools)
        return read_steadily(kernel, backend, lambda: _as_text({"filter": reader.forwarding()}))


def _before_nft(backend: Backend) -> str:
    with Nfnetlink() as kernel:
        hooks = [(table, hook) for table, hook in BEFORE_NAT if rules(kernel, backend.family, table, hook)]
        tools = installed(backend) if hooks else None
        if tools is None:
            return ""
        reader = _Reader(kernel, backend, tools)
        wanted = {table: [hook for other, hook in hooks if other == table] for table, _ in hooks}
        return read_steadily(
            kernel, backend, lambda: _as_text({table: reader.reached(table, names) for table, names in wanted.items()})
        )


def _as_text(tables: Mapping[str, Mapping[str, Chain]]) -> str:
    return "".join(as_text(chains.values(), table) for table, chains in tables.items() if chains)


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

    def forwarding(self) -> dict[str, Chain]:
        """FORWARD and what it reaches; the chain DOCKER alone where it drops nothing, and a small table whole."""
        whole = self.whole("filter", "nat")
        if whole is not None:
            return whole
        met = self.read("filter", _DOCKER)
        if "DROP" not in _targets(met):
            return met
        # Docker's own first: of all others only what they let in before matters.
        return self.follow("filter", met, [_HOOK, *_targets(met)], lambda name: not name.startswith(_DOCKER))

    def reached(self, table: str, hooks: Collection[str]) -> dict[str, Chain]:
        """The chains that some hooks of a table reach; a small table whole."""
        whole = self.whole(table)
        return self.follow(table, {}, list(hooks)) if whole is None else whole

    def whole(self, table: str, *beside: str) -> dict[str, Chain] | None:
        """All of a table; None where it is large, or one *beside* it is, or iptables cannot show it."""
        if any(chain_count(self.kernel, self.backend.family, each) > _FEW_CHAINS for each in (table, *beside)):
            return None
        with suppress(UnsupportedError):
            return {chain.name: chain for chain in read_table(self.kernel, self.backend, self.tools, table)}
        return None

    def follow(
        self, table: str, met: dict[str, Chain], waiting: list[str], rank: Callable[[str], bool] | None = None
    ) -> dict[str, Chain]:
        """Read the chains *waiting* and what they reach, but for those *met*, until there are enough of them."""
        asked = set(met)
        while waiting and len(met) < _MOST_CHAINS:
            name = waiting.pop(0)
            if name not in asked:
                asked.add(name)
                new = self.read(table, name)
                met |= new
                waiting += _targets(new)
                if rank is not None:
                    waiting.sort(key=rank)
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


def _filter_legacy(backend: Backend, tools: Tools) -> str:
    """Read the table whole: the legacy kernel interface knows nothing smaller."""
    text = _save(tools, "filter") if "filter" in legacy_tables(backend.family) else ""
    small = text.count("\n:") <= _FEW_CHAINS
    return text if f"\n:{_DOCKER} " in text or (small and _CLOSED.search(text)) else ""


def _before_legacy(backend: Backend) -> str:
    there = set(legacy_tables(backend.family))
    wanted = [table for table in dict.fromkeys(table for table, _ in BEFORE_NAT) if table in there]
    tools = installed(backend) if wanted else None
    return "".join(text for table in wanted if "-A " in (text := _save(tools, table))) if tools else ""


def _save(tools: Tools, table: str) -> str:
    done = run(tools.save, "-c", "-t", table)
    if done.code != 0:
        raise refused(done)
    return done.output.decode("utf-8", "surrogateescape")
