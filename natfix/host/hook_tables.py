"""The hooks of iptables and natfix's own chains in them, chain by chain through ``iptables -S``.

A chain at a time, for the whole of a table of a Kubernetes host takes seconds; see natfix.app.node.rule_keeping.HookTables.
"""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.ports import Backend, Variant
from natfix.errors import HostError
from natfix.host.installed import installed
from natfix.host.iptables import IptablesStore, open_store
from natfix.host.nfnetlink import Nfnetlink
from natfix.host.nftables import generation, has_chain
from natfix.host.outcomes import refused
from natfix.host.programs import find, run
from natfix.ruleset import Family, Table, parse

_NOT_THERE = ("No chain/target/match by that name", "does not exist", "Chain '")
_HOOKS = frozenset({"POSTROUTING", "FORWARD"})


class HostHookTables:
    """The tables of one backend of this host.

    Args:
        store: its nat table, whose programs are used.
    """

    def __init__(self, store: IptablesStore) -> None:
        self._store = store
        usage = run(store.tools.iptables, "-j", "MASQUERADE", "--help")
        self.fully_random = b"--random-fully" in usage.output

    @property
    def backend(self) -> Backend:
        """Which one it is."""
        return self._store.backend

    def stamp(self) -> int | None:
        """The generation of the nft ruleset; the legacy tables have none."""
        if self.backend.variant == "legacy":
            return None
        with Nfnetlink() as kernel:
            return generation(kernel)

    def read(self, table: str, chains: Sequence[str]) -> Table:
        """Read some chains of a table; one that is not there is left out."""
        declared, rules = [], []
        for chain in chains:
            for line in self._listing(table, chain):
                words = line.split(maxsplit=2)
                if words[0] == "-P":
                    declared.append(f":{chain} {words[2]} [0:0]")
                elif words[0] == "-N":
                    declared.append(f":{chain} - [0:0]")
                else:
                    rules.append(line)
        text = "\n".join([f"*{table}", *declared, *rules, "COMMIT", ""])
        return parse(text.encode("utf-8", "surrogateescape"), str(self.backend), self.backend.family).tables[0]

    def commit(self, script: str) -> None:
        """Apply a script in one kernel transaction."""
        self._store.commit(script)

    def _listing(self, table: str, chain: str) -> Sequence[str]:
        if self.backend.variant == "nft" and not self._is_there(table, chain):
            # A hook that nobody has used yet lets everything pass. iptables-nft calls a chain that is not there incompatible.
            return (f"-P {chain} ACCEPT",) if chain in _HOOKS else ()
        words = [self._store.tools.iptables, *(["-w", str(self._store.wait)] if self.backend.variant == "legacy" else [])]
        done = run(*words, "-t", table, "-S", chain, environment=self._store.environment)
        if done.code != 0:
            if any(said in done.complaint for said in _NOT_THERE):
                return ()
            raise refused(done)
        return [line for line in done.output.decode("utf-8", "surrogateescape").split("\n") if line]

    def _is_there(self, table: str, chain: str) -> bool:
        with Nfnetlink() as kernel:
            return has_chain(kernel, self.backend.family, table, chain)


def usual_tables(family: Family, wait: int = 5) -> HostHookTables:
    """The tables that this host's own ``iptables`` writes, so that natfix's rules stand beside everybody else's.

    Raises:
        HostError: iptables is not installed.
    """
    program = "iptables" if family is Family.IPV4 else "ip6tables"
    if find(program) is not None:
        variant: Variant = "nft" if b"(nf_tables)" in run(program, "-V").output else "legacy"
        if installed(Backend(family, variant)) is not None:
            return HostHookTables(open_store(Backend(family, variant), wait))
    for other in ("nft", "legacy"):
        backend = Backend(family, "nft" if other == "nft" else "legacy")
        if installed(backend) is not None:
            return HostHookTables(open_store(backend, wait))
    raise HostError(
        f"{program} is not installed",
        hint="Install it: apt-get install iptables, or dnf install iptables; --no-iptables-forward-rules does without.",
    )
