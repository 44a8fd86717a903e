"""Keep the agent's own chains in iptables: masquerading and forwarding for the cluster, beside everybody else's rules.

Only the hooks and natfix's own chains are read, and nothing at all while the kernel says that nobody has changed anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from natfix.app.ports import Backend
from natfix.routing.network import NetworkConfig
from natfix.routing.rules import OwnChain, forward_rules, masquerade_rules, settle_script
from natfix.routing.subnet import Subnet
from natfix.ruleset import Family, Table


class HookTables(Protocol):
    """The tables of one backend, of which hooks and natfix's own chains are looked at."""

    @property
    def backend(self) -> Backend:
        """Which one it is."""
        ...

    @property
    def fully_random(self) -> bool:
        """Whether its programs can masquerade with ports chosen at random (iptables 1.6.2 and later)."""
        ...

    def stamp(self) -> int | None:
        """A number that is another one after each change, at the cost of microseconds; None where there is no such number."""
        ...

    def read(self, table: str, chains: Sequence[str]) -> Table:
        """Read some chains of a table; one that is not there is left out.

        Raises:
            HostError: no rights, or the program failed.
        """
        ...

    def commit(self, script: str) -> None:
        """Apply lines for ``iptables-restore --noflush`` in one kernel transaction.

        Raises:
            ConflictError: a rule it deletes is no longer there; nothing was changed.
            BusyError: the xtables lock was not free in time.
            HostError: the kernel refused; nothing was changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class RuleWish:
    """Which rules are wanted.

    Attributes:
        masquerade: what leaves the cluster.
        forward: let the containers' packets pass.
        fully_random: choose ports at random where iptables can.
    """

    masquerade: bool = False
    forward: bool = True
    fully_random: bool = True


def wanted_chains(
    config: NetworkConfig, subnet: Subnet, wish: RuleWish, *, fully_random: bool
) -> Mapping[Family, tuple[OwnChain, ...]]:
    """The chains of each family.

    Args:
        config: of the network.
        subnet: this host's.
        wish: which rules are wanted.
        fully_random: whether iptables can choose ports at random.
    """
    found: dict[Family, tuple[OwnChain, ...]] = {}
    for network, own in zip(config.networks, subnet.networks, strict=True):
        masquerade = (masquerade_rules(network, own, fully_random=fully_random and wish.fully_random),)
        found[Family(network.version)] = (
            *(masquerade if wish.masquerade else ()),
            *(forward_rules(network) if wish.forward else ()),
        )
    return found


class RuleKeeper:
    """Keeps the chains of one backend right.

    Args:
        tables: where they are.
        chains: what is wanted.
        told: is called with each script that was applied.
    """

    def __init__(self, tables: HookTables, chains: Sequence[OwnChain], told: Callable[[str], None]) -> None:
        self._tables = tables
        self._chains = tuple(chains)
        self._told = told
        self._settled: int | None = None

    def settle(self) -> None:
        """Look, and put right what is not.

        Raises:
            NatfixError: as the tables; it is tried again the next time.
        """
        stamp = self._tables.stamp()
        if stamp is not None and stamp == self._settled:
            return
        for name in dict.fromkeys(chain.table for chain in self._chains):
            mine = [chain for chain in self._chains if chain.table == name]
            names = dict.fromkeys(each for chain in mine for each in (chain.jump.chain, chain.name))
            script = settle_script(mine, self._tables.read(name, tuple(names)))
            if script:
                self._tables.commit(script)
                self._told(script)
        # What somebody changed while this looked has another number than the one from before the look.
        self._settled = stamp if stamp == self._tables.stamp() else None
