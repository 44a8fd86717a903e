"""The in-memory twin of iptables' hooks."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.ports import Backend
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.ruleset import Family, Table, parse

_HOOKS = {"nat": "POSTROUTING", "filter": "FORWARD"}
_BACKEND = Backend(Family.IPV4, "nft")


class MemoryHookTables:
    """The tables nat and filter in this object.

    Args:
        backend: the one it plays.

    Attributes:
        stamped: whether it has a number for its generation, as nft; a test sets it.
        reads: how often a table was read.
    """

    def __init__(self, backend: Backend = _BACKEND) -> None:
        self.backend = backend
        self.fully_random = True
        self.stamped = True
        self.reads = 0
        self._generation = 1
        self._stores = {name: MemoryRulesetStore(backend) for name in _HOOKS}
        self._stores["filter"].chains["FORWARD"] = ()

    def stamp(self) -> int | None:
        """How often something was changed."""
        return self._generation if self.stamped else None

    def read(self, table: str, chains: Sequence[str]) -> Table:
        """Give some chains of a table."""
        self.reads += 1
        held = self._stores[table].chains
        names = [name for name in chains if name in held]
        declared = [f":{name} {'ACCEPT' if name == _HOOKS[table] else '-'} [0:0]" for name in names]
        text = "\n".join([f"*{table}", *declared, *(str(rule) for name in names for rule in held[name]), "COMMIT", ""])
        return parse(text.encode("utf-8", "surrogateescape"), str(self.backend), self.backend.family).tables[0]

    def commit(self, script: str) -> None:
        """Apply a script of one table; all of it or nothing."""
        name = script.partition("\n")[0].removeprefix("*")
        self._stores[name].commit(script.replace(f"*{name}\n", "*nat\n", 1))
        self._generation += 1
