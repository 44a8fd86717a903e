"""natfix/app/guard.py: the guard on, off, told of and put back, on twins of every port."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address, ip_interface

import pytest

from natfix.app.change_ports import Record, Rewritten
from natfix.app.cluster import Cluster
from natfix.app.guard import begin, ensure, look, remembered, turn_off, turn_on
from natfix.app.machine import Machine
from natfix.app.ports import Backend, Interface
from natfix.app.record import Journey, journeys
from natfix.app.undo import undo
from natfix.audit.guard import Guard, HeldGuards
from natfix.errors import BusyError, ConflictError, HostError, RolledBackError, UnsupportedError, UsageError
from natfix.host.conntrack import Connection
from natfix.host.memory.clock import MemoryClock, MemoryTurnstile, MemoryWatchdog
from natfix.host.memory.connections import MemoryConnections
from natfix.host.memory.files import MemoryFiles, MemoryHistory, MemorySavedRulesets
from natfix.host.memory.guard import MemoryGuardStore
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.host.two_chains import Observation
from natfix.plan.guard import GuardChange
from natfix.ruleset import Family, Ruleset
from tests.unit.audit.guards import CIDR, guard
from tests.unit.audit.subjects import networks

DOCKER0 = Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"), ip_interface("fd07:21::1/64")))
BR_1 = Interface("br-1", "bridge", (ip_interface("172.7.9.1/24"),))
CLUSTERS = tuple(Cluster(networks([CIDR[family]]), "--cluster-cidr") for family in Family)
ONE = guard()
BOTH = (guard(), guard(family=Family.IPV6))


@dataclass
class World:
    """A host in memory, and its parts that a test looks at."""

    tables: MemoryGuardStore = field(default_factory=MemoryGuardStore)
    history: MemoryHistory = field(default_factory=MemoryHistory)
    turnstile: MemoryTurnstile = field(default_factory=MemoryTurnstile)
    clock: MemoryClock = field(default_factory=MemoryClock)

    def machine(self, *bridges: Interface, rules: str = "") -> Machine:
        text = f"*nat\n:POSTROUTING ACCEPT [0:0]\n{rules}COMMIT\n"
        return Machine(
            stores=(MemoryRulesetStore(Backend(Family.IPV4, "nft"), text),),
            links=MemoryLinks(bridges),
            files=MemoryFiles(),
            connections=MemoryConnections(),
            history=self.history,
            turnstile=self.turnstile,
            watchdog=MemoryWatchdog(),
            saved=MemorySavedRulesets({}),
            clock=self.clock,
            guard=self.tables,
        )


def conditions(world: World, machine: Machine) -> list[str]:
    return [table.condition for table in look(machine, CLUSTERS).tables]


def test_on_guards_the_subnets_of_every_bridge_in_both_families() -> None:
    world = World()
    report = turn_on(world.machine(DOCKER0), CLUSTERS)
    assert (report.done, report.right, report.wanted) == (True, True, True)
    assert world.tables.held == HeldGuards(BOTH)
    assert [change.place for change in report.changes] == ["nft table ip natfix", "nft table ip6 natfix"]


def test_subnets_that_only_rules_tell_of_are_guarded_too() -> None:
    world = World()
    turn_on(world.machine(rules="-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE\n"), CLUSTERS)
    assert world.tables.held == HeldGuards((ONE,))


def test_on_twice_does_nothing_the_second_time() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    report = turn_on(world.machine(DOCKER0), CLUSTERS)
    assert (report.done, report.changes, len(world.history.records())) == (False, (), 1)


def test_a_dry_run_shows_the_change_and_makes_none() -> None:
    world = World()
    plan = turn_on(world.machine(DOCKER0), CLUSTERS, dry_run=True)
    assert (plan.done, world.tables.held, world.history.records()) == (False, HeldGuards(), ())
    assert plan.changes == turn_on(world.machine(DOCKER0), CLUSTERS).changes


def test_on_again_follows_the_bridges() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    assert conditions(world, world.machine(DOCKER0, BR_1)) == ["incomplete", "on"]
    turn_on(world.machine(DOCKER0, BR_1), CLUSTERS)
    assert conditions(world, world.machine(DOCKER0, BR_1)) == ["on", "on"]


def test_off_takes_it_away_and_undo_brings_it_back() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.clock.advance(1)
    assert turn_off(world.machine(DOCKER0), dry_run=True).changes
    assert turn_off(world.machine(DOCKER0)).done
    assert (world.tables.held, remembered(world.history)) == (HeldGuards(), ())
    assert not turn_off(world.machine(DOCKER0)).done
    undo(world.machine(DOCKER0))
    assert (world.tables.held, remembered(world.history)) == (HeldGuards(BOTH), BOTH)


def test_off_is_remembered_also_when_somebody_else_took_it_away_before() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.tables.held = HeldGuards()
    world.clock.advance(1)
    report = turn_off(world.machine(DOCKER0))
    assert (report.done, report.changes) == (True, ())
    assert not ensure(world.machine(DOCKER0), CLUSTERS).done


def test_changes_of_the_guard_are_undone_newest_first() -> None:
    world = World()
    first = turn_on(world.machine(DOCKER0), CLUSTERS)
    world.clock.advance(1)
    second = turn_on(world.machine(DOCKER0, BR_1), CLUSTERS)
    with pytest.raises(UsageError, match=f"the guard was changed again by {second.id}"):
        undo(world.machine(DOCKER0, BR_1), first.id)
    undo(world.machine(DOCKER0), second.id)
    assert world.tables.held == HeldGuards(BOTH)
    undo(world.machine(DOCKER0), first.id)
    assert world.tables.held == HeldGuards()


def test_a_flushed_guard_is_missing_until_ensured() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.tables.held = HeldGuards()
    assert conditions(world, world.machine(DOCKER0)) == ["missing", "missing"]
    report = ensure(world.machine(DOCKER0), CLUSTERS)
    assert (report.done, report.right, world.tables.held) == (True, True, HeldGuards(BOTH))
    assert len(world.history.records()) == 1
    assert not ensure(world.machine(DOCKER0), CLUSTERS).done


def test_what_could_not_be_tried_is_said() -> None:
    world = World()
    world.tables.unproved = "not tried"
    assert turn_on(world.machine(DOCKER0), CLUSTERS).notes == ("not tried",)


def test_a_beginning_turns_it_on_and_from_then_on_keeps_it() -> None:
    world = World()
    report = begin(world.machine(DOCKER0), CLUSTERS)
    assert (report.done, report.id, world.tables.held) == (True, world.history.records()[0].id, HeldGuards(BOTH))
    world.tables.held = HeldGuards()
    report = begin(world.machine(DOCKER0), CLUSTERS)
    assert (report.done, report.id, world.tables.held) == (True, "", HeldGuards(BOTH))


def test_a_beginning_leaves_a_guard_off_that_somebody_turned_off() -> None:
    world = World()
    begin(world.machine(DOCKER0), CLUSTERS)
    turn_off(world.machine(DOCKER0))
    assert not begin(world.machine(DOCKER0), CLUSTERS).wanted
    assert world.tables.held == HeldGuards()


def test_what_is_forgotten_begins_anew_and_only_the_guard_is_forgotten() -> None:
    world = World()
    world.history.save(Journey("0", "apply", world.clock.now(), "done").record())
    begin(world.machine(DOCKER0), CLUSTERS)
    turn_off(world.machine(DOCKER0), dry_run=True, forget=True)
    assert len(world.history.records()) == 2
    assert turn_off(world.machine(DOCKER0), forget=True).id == ""
    assert (world.tables.held, [record.id for record in world.history.records()]) == (HeldGuards(), ["0"])
    assert begin(world.machine(DOCKER0), CLUSTERS).done


def test_a_beginning_that_was_taken_back_is_none() -> None:
    world = World()
    world.history.save(Journey("1", "guard", world.clock.now(), "rolled back", guard=GuardChange((), (ONE,))).record())
    assert begin(world.machine(DOCKER0), CLUSTERS).wanted


def test_a_host_that_starts_is_guarded_before_it_has_bridges_or_a_cluster() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.tables.held = HeldGuards()
    ensure(world.machine(), ())
    assert world.tables.held == HeldGuards(BOTH)


def test_ensure_adds_a_new_bridge_and_keeps_one_that_is_not_there_now() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    ensure(world.machine(BR_1), CLUSTERS)
    (kept, _) = world.tables.held.guards
    assert [each.bridge for each in kept.localities] == ["br-1", "docker0"]


def test_ensure_does_nothing_that_nobody_asked_for() -> None:
    world = World()
    assert not ensure(world.machine(DOCKER0), CLUSTERS).done
    assert world.tables.held == HeldGuards()


def test_ensure_leaves_a_kernel_alone_that_is_older_than_the_one_the_guard_was_turned_on_under() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.tables = MemoryGuardStore(Observation(refused="Device or resource busy"))
    with pytest.raises(UnsupportedError):
        ensure(world.machine(DOCKER0), CLUSTERS)
    assert world.tables.held == HeldGuards()


def test_ensure_believes_no_guess() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    guessed = [replace(CLUSTERS[0], networks=networks(["172.0.0.0/8"]), guessed=True)]
    assert not ensure(world.machine(DOCKER0), guessed).done


def test_an_altered_table_is_told_and_made_anew() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    world.tables.held = HeldGuards((BOTH[1],), (Family.IPV4,))
    assert conditions(world, world.machine(DOCKER0)) == ["altered", "on"]
    world.clock.advance(1)
    turn_on(world.machine(DOCKER0), CLUSTERS)
    assert world.tables.held == HeldGuards(BOTH)


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        ((), "no cluster CIDR is known"),
        ((replace(CLUSTERS[0], guessed=True),), "is only guessed"),
        ((replace(CLUSTERS[0], networks=networks(["10.0.0.0/8"])),), r"no container subnet of this host lies in 10\.0\.0\.0/8"),
    ],
)
def test_what_is_not_sure_is_not_guarded(clusters: tuple[Cluster, ...], words: str) -> None:
    world = World()
    with pytest.raises(UsageError, match=words):
        turn_on(world.machine(DOCKER0), clusters)
    assert world.history.records() == ()


def test_a_bridge_that_nft_cannot_be_told_of_is_left_alone() -> None:
    world = World()
    turn_on(world.machine(DOCKER0, replace(BR_1, name='br"1')), CLUSTERS)
    assert world.tables.held == HeldGuards(BOTH)


def test_an_old_kernel_refuses_a_guard_even_in_a_dry_run() -> None:
    world = World(MemoryGuardStore(Observation(unbound="127.0.0.1", bound="127.0.0.1")))
    with pytest.raises(UnsupportedError):
        turn_on(world.machine(DOCKER0), CLUSTERS, dry_run=True)


@pytest.mark.parametrize(("keep", "dropped"), [(False, 1), (True, 0)])
def test_connections_with_the_old_rewrite_are_dropped_unless_they_shall_stay(*, keep: bool, dropped: int) -> None:
    ends = map(ip_address, ("172.7.21.2", "172.7.22.2", "172.7.22.2", "10.4.7.21"))
    machine = replace(World().machine(DOCKER0), connections=MemoryConnections([Connection(*ends)]))
    assert turn_on(machine, CLUSTERS, keep_connections=keep).connections == dropped


def test_connections_that_cannot_be_dropped_are_told_of_and_the_guard_stands() -> None:
    class Refusing(MemoryConnections):
        def forget(self, which: Iterable[Rewritten]) -> int:
            raise HostError("no rights")

    world = World()
    report = turn_on(replace(world.machine(DOCKER0), connections=Refusing()), CLUSTERS)
    assert report.notes == ("connections that are open now keep the node's address until they end: no rights",)
    assert world.tables.held == HeldGuards(BOTH)


def test_a_table_that_iptables_cannot_show_says_nothing_and_the_bridges_say_enough() -> None:
    class Incompatible(MemoryRulesetStore):
        def read(self) -> Ruleset:
            raise UnsupportedError("table nat is incompatible, use 'nft' tool")

    world = World()
    turn_on(replace(world.machine(DOCKER0), stores=(Incompatible(),)), CLUSTERS)
    assert world.tables.held == HeldGuards(BOTH)


def test_a_refusal_of_the_kernel_changes_nothing_and_is_noted() -> None:
    class Refusing(MemoryGuardStore):
        def put(self, change: GuardChange) -> None:
            if change:
                raise HostError("the guard cannot be changed")

    world = World(Refusing())
    with pytest.raises(HostError, match="cannot be changed"):
        turn_on(world.machine(DOCKER0), CLUSTERS)
    assert [journey.state for journey in journeys(world.history)] == ["rolled back"]
    assert remembered(world.history) == ()


def test_what_the_kernel_holds_otherwise_is_taken_back() -> None:
    class Forgetful(MemoryGuardStore):
        def put(self, change: GuardChange) -> None:
            super().put(GuardChange(change.before, change.after[:1], change.altered))

    world = World(Forgetful())
    with pytest.raises(RolledBackError, match="does not hold the guard"):
        turn_on(world.machine(DOCKER0), CLUSTERS)
    assert world.tables.held == HeldGuards()


def test_a_way_back_that_fails_as_well_is_told_with_the_first_error() -> None:
    class Broken(MemoryGuardStore):
        def put(self, change: GuardChange) -> None:
            raise ConflictError("first" if change.after else "second")

    world = World(Broken())
    with pytest.raises(RolledBackError, match="first\nand taking the guard back failed as well: second"):
        turn_on(world.machine(DOCKER0), CLUSTERS)


def test_one_natfix_at_a_time() -> None:
    world = World(turnstile=MemoryTurnstile("somebody"))
    with pytest.raises(BusyError):
        turn_on(world.machine(DOCKER0), CLUSTERS)


def test_records_of_before_there_was_a_guard_are_read() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    (record,) = world.history.records()
    world.history.save(Record(record.id, {key: value for key, value in record.data.items() if key != "guard"}))
    assert journeys(world.history)[0].guard is None
    assert remembered(world.history) == ()


def test_the_guard_of_the_past_is_read_as_it_was_written() -> None:
    world = World()
    turn_on(world.machine(DOCKER0), CLUSTERS)
    (journey,) = journeys(world.history)
    assert journey.guard == GuardChange((), BOTH)
    assert journey.places == ("nft table ip natfix", "nft table ip6 natfix")
    assert isinstance(remembered(world.history)[0], Guard)
