"""Take away what the agent put onto this host: routes, tunnels, its chains, its lease; nobody else's, and no file.

An agent that runs puts everything back at once, so it is to be stopped first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from natfix.app.node.interface import InterfaceWish
from natfix.app.node.ports import DataPlane, LeaseStore
from natfix.app.node.rehearsal import KERNEL, STORE, headed, spelt
from natfix.app.node.rule_keeping import HookTables
from natfix.app.node.survey import survey
from natfix.errors import NatfixError
from natfix.report.changes import Change, ChangeResult
from natfix.routing.difference import diff
from natfix.routing.lease import Lease
from natfix.routing.rules import OwnChain, forward_rules, masquerade_rules, removal_script
from natfix.routing.state import FLANNEL_PROTOCOL, PROTOCOL, NetState, Operation
from natfix.ruleset import Network

VERB: Final = "node clear"
_TUNNEL: Final = re.compile(r"flannel(-v6)?\.\d+")
_EVERYTHING: Final[tuple[Network, ...]] = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@dataclass(frozen=True, slots=True)
class Place:
    """What is cleared.

    Attributes:
        store: where the lease lives.
        plane: the kernel.
        tables: iptables, one for each family whose programs are there.
    """

    store: LeaseStore
    plane: DataPlane
    tables: Sequence[HookTables]


def clear(place: Place, wish: InterfaceWish, *, dry_run: bool = False) -> ChangeResult:
    """Take everything away, or only tell what would be.

    Raises:
        HostError: the kernel does not answer, or refuses.
        ConflictError: somebody changed rules or lease in between.
    """
    notes: list[str] = []
    lease = _lease(place, wish, notes)
    operations = _operations(place.plane)
    scripts = [(tables, name, script) for tables in place.tables for name, script in _scripts(tables)]
    changes = [Change(KERNEL, headed(KERNEL, spelt(operations)))] if operations else []
    changes += [Change(str(tables.backend), _removed(tables, name), script) for tables, name, script in scripts]
    if lease is not None:
        changes.append(Change(STORE, headed(STORE, (f"-{lease.subnet}",))))
    if not dry_run:
        notes += [f"the kernel refused {one.operation.entry}: {one.reason}" for one in place.plane.carry_out(operations)]
        for tables, _, script in scripts:
            tables.commit(script)
        if lease is not None:
            place.store.release(lease)
    return ChangeResult(VERB, done=bool(changes) and not dry_run, changes=tuple(changes), notes=tuple(notes))


def _lease(place: Place, wish: InterfaceWish, notes: list[str]) -> Lease | None:
    """This host's lease; a reservation stays, whoever has it."""
    try:
        own = survey(place.store, place.plane, wish).own
    except NatfixError as error:
        notes.append(f"no lease is let go: {error.message}")
        return None
    return None if own.reserved else own


def _operations(plane: DataPlane) -> Sequence[Operation]:
    names = [link.name for link in plane.links().links if link.kind == "vxlan" and _TUNNEL.fullmatch(link.name)]
    there = plane.read(_EVERYTHING, names)
    # A tunnel that flannel's own routes lead over is flannel's.
    foreign = {route.link for route in there.routes if route.protocol == FLANNEL_PROTOCOL}
    kept = NetState(
        frozenset(one for one in there.devices if one.name in foreign),
        frozenset(one for one in there.addresses if one.link in foreign),
        frozenset(one for one in there.routes if one.protocol != PROTOCOL),
        frozenset(one for one in there.neighbours if one.link in foreign),
        frozenset(one for one in there.fdb if one.link in foreign),
    )
    return diff(there, kept)


def _chains() -> tuple[OwnChain, ...]:
    """The agent's chains; what they hold does not matter here."""
    anything = _EVERYTHING[0]
    return (masquerade_rules(anything, anything), *forward_rules(anything))


def _scripts(tables: HookTables) -> Iterator[tuple[str, str]]:
    for name in ("nat", "filter"):
        mine = [chain for chain in _chains() if chain.table == name]
        names = tuple(dict.fromkeys(each for chain in mine for each in (chain.jump.chain, chain.name)))
        script = removal_script(mine, tables.read(name, names))
        if script:
            yield name, script


def _removed(tables: HookTables, name: str) -> tuple[str, ...]:
    mine = [chain for chain in _chains() if chain.table == name]
    table = tables.read(name, tuple(each for chain in mine for each in (chain.jump.chain, chain.name)))
    jumps = {chain.jump.chain: {one.name for one in mine} for chain in mine}
    lines = []
    for hook, targets in jumps.items():
        found = table.chain(hook)
        lines += [f"-{rule}" for rule in found.rules if rule.target in targets] if found else []
    for chain in mine:
        found = table.chain(chain.name)
        lines += [f"-{rule}" for rule in found.rules] if found else []
    return headed(f"{tables.backend} {name}", lines)
