"""Turn the guard on and off, tell how it is, and put it back when somebody else has taken it away.

What shall be is remembered by the history: the newest change of the guard that nobody has undone says which tables there
shall be. So a host that has just started knows them before Docker has made a bridge or flannel has named the cluster.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from natfix.app.change_ports import History, Rewritten
from natfix.app.check import UNKNOWN_CLUSTER_HINT
from natfix.app.cluster import Cluster
from natfix.app.guard_wanted import seen_guards, with_remembered
from natfix.app.machine import Machine
from natfix.app.record import UNDOABLE, Journey, journeys, new_id
from natfix.app.undo import guard_changes, take_back
from natfix.audit.guard import Guard, HeldGuards, guard_of
from natfix.errors import HostError, NatfixError, RolledBackError, UsageError
from natfix.plan.guard import GuardChange
from natfix.report.guard import Condition, GuardReport, GuardTable, Verb
from natfix.report.model import ClusterOrigin
from natfix.ruleset import Family


def look(machine: Machine, clusters: Sequence[Cluster]) -> GuardReport:
    """Tell how the guard is; change nothing.

    Raises:
        HostError: the host cannot be read.
    """
    wanted = remembered(machine.history)
    return _report("status", machine.guard.read(), seen_guards(machine, clusters), wanted, clusters)


def turn_on(
    machine: Machine, clusters: Sequence[Cluster], *, dry_run: bool = False, keep_connections: bool = False
) -> GuardReport:
    """Keep the addresses of this host's containers from now on, whatever other rules say.

    Raises:
        UsageError: the cluster is not known, or only guessed, or no container subnet of this host lies in it.
        UnsupportedError: on this kernel a guard would keep Docker from its work.
        HostError: the host refused; nothing is changed.
        RolledBackError: what the kernel held afterwards was not what natfix wanted; it was taken back.
        BusyError: another natfix is at work.
    """
    with machine.turnstile.hold():
        seen = _known(machine, clusters)
        unproved = machine.guard.require()
        report = _change(machine, "on", seen, clusters, dry_run=dry_run)
        report = replace(report, notes=(*report.notes, *([unproved] if unproved else [])))
        return _forget_connections(machine, seen, report) if report.done and not keep_connections else report


def turn_off(machine: Machine, *, dry_run: bool = False, forget: bool = False) -> GuardReport:
    """Take the guard away, and do not put it back any more.

    Args:
        machine: the host.
        dry_run: only tell what would be done.
        forget: give up the records of the guard as well, so that a watcher that is told to guard some day begins anew.

    Raises:
        HostError: the host refused; nothing is changed.
        BusyError: another natfix is at work.
    """
    with machine.turnstile.hold():
        report = _change(machine, "off", (), (), dry_run=dry_run)
        for journey in journeys(machine.history) if forget and not dry_run else ():
            if journey.guard is not None:
                machine.history.remove(journey.id)
        return replace(report, id="") if forget else report


def ensure(machine: Machine, clusters: Sequence[Cluster]) -> GuardReport:
    """Put the guard back where it was turned on and is not there, or lacks a subnet; for the watcher, and at boot.

    It is no change of the user's mind, so the history does not tell of it, and ``natfix undo`` takes back the turning on.
    Guessed clusters are not used. A subnet that was guarded stays so while its bridge is not there.

    Raises:
        UnsupportedError: on the kernel that runs now a guard would keep Docker from its work.
        HostError: the host refused.
        BusyError: another natfix is at work.
    """
    wanted = remembered(machine.history)
    if not wanted:
        return GuardReport("on", done=False, tables=(), wanted=False)
    with machine.turnstile.hold():
        held = machine.guard.read()
        sure = [cluster for cluster in clusters if not cluster.guessed]
        shall = with_remembered(seen_guards(machine, sure), wanted)
        after = tuple(now if (now := held.of(each.family)) and now.keeps(each) else each for each in shall)
        change = GuardChange(held.guards, after, held.altered)
        if change:
            # It may have been turned on under another kernel than the one that was booted now.
            machine.guard.require()
        machine.guard.put(change)
        tables = _report("on", HeldGuards(after), after, wanted, sure).tables
        return GuardReport("on", done=bool(change), tables=tables, wanted=True, changes=guard_changes(change))


def begin(machine: Machine, clusters: Sequence[Cluster]) -> GuardReport:
    """Turn the guard on where nobody has decided about it yet, else keep to what was decided; for a watcher told to guard.

    What a person turned off stays off, also when the watcher is started anew.

    Raises:
        UsageError: the cluster is not known yet, or only guessed, or there is no container subnet yet.
        UnsupportedError, HostError, RolledBackError, BusyError: as for turn_on.
    """
    decided = (each for each in journeys(machine.history) if each.guard is not None and each.state != "rolled back")
    return ensure(machine, clusters) if any(decided) else turn_on(machine, clusters)


def remembered(history: History) -> tuple[Guard, ...]:
    """The guard as it was last turned on; empty when it never was, or was turned off again."""
    changes = [journey.guard for journey in journeys(history) if journey.guard is not None and journey.state in UNDOABLE]
    return changes[-1].after if changes else ()


def _known(machine: Machine, clusters: Sequence[Cluster]) -> tuple[Guard, ...]:
    """What shall be guarded, if that is sure."""
    if not clusters:
        raise UsageError("no cluster CIDR is known, so nothing can be guarded", hint=UNKNOWN_CLUSTER_HINT)
    seen = seen_guards(machine, clusters)
    for cluster in clusters:
        if cluster.guessed and guard_of(seen, cluster.family):
            networks = ",".join(map(str, cluster.networks))
            raise UsageError(
                f"the cluster CIDR {networks} is only guessed (from {cluster.origin}), and a guess is not guarded",
                hint=f"If it is right, say so: --cluster-cidr {networks}",
            )
    if not seen:
        networks = ", ".join(str(network) for cluster in clusters for network in cluster.networks)
        raise UsageError(
            f"no container subnet of this host lies in {networks}",
            hint="Start Docker first, so that its bridges are there; or name another network with --cluster-cidr.",
        )
    return seen


def _change(
    machine: Machine, verb: Verb, after: tuple[Guard, ...], clusters: Sequence[Cluster], *, dry_run: bool
) -> GuardReport:
    held = machine.guard.read()
    change = GuardChange(held.guards, after, held.altered)
    report = replace(_report(verb, HeldGuards(after), after, after, clusters), changes=guard_changes(change))
    if dry_run or not (change or _differ(remembered(machine.history), after)):
        return report
    now = machine.clock.now()
    name = {"on": "guard", "off": "unguard"}[verb]
    journey = Journey(new_id(machine.history, now), name, now, guard=change)
    machine.history.save(journey.record())
    try:
        _put(machine, change)
    except BaseException as error:
        _take_back(machine, journey, error)
        raise
    machine.history.save(journey.in_state("done").record())
    return replace(report, done=True, id=journey.id)


def _put(machine: Machine, change: GuardChange) -> None:
    """Make the change and look whether the kernel holds it."""
    machine.guard.put(change)
    held = machine.guard.read()
    if held.altered or _differ(held.guards, change.after):
        raise RolledBackError(
            "the kernel does not hold the guard that natfix gave it, so it was taken back",
            hint="See what it holds: nft list table ip natfix",
        )


def _take_back(machine: Machine, journey: Journey, error: BaseException) -> None:
    try:
        take_back(machine, journey)
    except NatfixError as second:
        raise RolledBackError(f"{error}\nand taking the guard back failed as well: {second}") from error
    with contextlib.suppress(NatfixError):
        machine.history.save(journey.in_state("rolled back").record())


def _differ(some: Iterable[Guard], others: Iterable[Guard]) -> bool:
    return set(some) != set(others)


def _forget_connections(machine: Machine, guards: Iterable[Guard], report: GuardReport) -> GuardReport:
    """Drop the connections that carry an old rewrite; the guard stands even when that is refused."""
    which = [
        Rewritten(source, guard.cluster, locality.networks)
        for guard in guards
        for locality in guard.localities
        for source in locality.networks
    ]
    try:
        return replace(report, connections=machine.connections.forget(which))
    except HostError as error:
        note = f"connections that are open now keep the node's address until they end: {error.message}"
        return replace(report, notes=(*report.notes, note))


def _report(
    verb: Verb, held: HeldGuards, seen: Sequence[Guard], wanted: Sequence[Guard], clusters: Iterable[Cluster]
) -> GuardReport:
    tables = [
        GuardTable(family, _condition(family, held, guard_of(seen, family), guard_of(wanted, family)), held.of(family))
        for family in Family
    ]
    origins = tuple(ClusterOrigin(each.networks, each.origin, each.guessed) for each in clusters)
    return GuardReport(verb, done=False, tables=tuple(tables), wanted=bool(wanted), clusters=origins)


def _condition(family: Family, held: HeldGuards, seen: Guard | None, wanted: Guard | None) -> Condition:
    if family in held.altered:
        return "altered"
    now = held.of(family)
    if now is None:
        return "missing" if wanted else "off"
    return "incomplete" if seen and not now.keeps(seen) else "on"
