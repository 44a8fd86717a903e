"""What the guard of this host shall keep: by what its bridges and rules say now, and by what it was turned on for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from natfix.app.check import look_at_store
from natfix.app.cluster import Cluster
from natfix.app.machine import Machine
from natfix.app.ports import RulesetStore
from natfix.audit import Locality, Subject
from natfix.audit.guard import Guard, can_be_named, guard_of
from natfix.errors import UnsupportedError
from natfix.ruleset import Family, Ruleset, parse

_EMPTY = b"*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"


def seen_guards(machine: Machine, clusters: Iterable[Cluster]) -> tuple[Guard, ...]:
    """The guards of what this host's bridges and rules say now; a family without a container subnet has none.

    Raises:
        HostError: a nat table cannot be read.
    """
    found = (_seen(machine, cluster) for cluster in clusters)
    return tuple(sorted((guard for guard in found if guard), key=lambda guard: guard.family))


def with_remembered(seen: Sequence[Guard], wanted: Sequence[Guard]) -> tuple[Guard, ...]:
    """What is seen, and what was guarded of bridges that are not there now.

    A host that starts has neither Docker's bridges nor anybody who names the cluster, and the guard must be there first.
    """
    shall = {guard.family: guard for guard in wanted}
    for guard in seen:
        before = guard_of(wanted, guard.family)
        bridges = {locality.bridge for locality in guard.localities}
        gone = [each for each in (before.localities if before else ()) if each.bridge not in bridges]
        shall[guard.family] = Guard.of(guard.family, guard.cluster, [*guard.localities, *gone])
    return tuple(shall[family] for family in sorted(shall))


def _seen(machine: Machine, cluster: Cluster) -> Guard:
    """The guard of one family, from each of its nat tables and, above all, from its bridges."""
    network = machine.links.interfaces(), machine.links.routes()
    mine = [store for store in machine.stores if store.backend.family is cluster.family]
    rulesets = [_read(store) for store in mine] or [_nothing(cluster.family)]
    subjects = [look_at_store(ruleset, cluster.family, [cluster], network, ()).subject for ruleset in rulesets]
    return Guard.of(cluster.family, cluster.networks, (each for subject in subjects for each in _guarded(subject)))


def _guarded(subject: Subject) -> Iterable[Locality]:
    """The container subnets with a cluster around them, on bridges that nft can be told of."""
    return (each for each in subject.localities if can_be_named(each.bridge) and subject.protected(each) is not None)


def _read(store: RulesetStore) -> Ruleset:
    """Read a nat table; one that iptables cannot show says nothing, and the bridges say enough."""
    try:
        return store.read()
    except UnsupportedError:
        return _nothing(store.backend.family)


def _nothing(family: Family) -> Ruleset:
    return parse(_EMPTY, "no nat table", family)
