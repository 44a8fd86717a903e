"""natfix/app/pursuit.py, ledger.py: a watcher that is told to guard, on the twins of all its ports."""

import json
from collections.abc import Sequence
from dataclasses import replace

from natfix.app.guard import turn_off, turn_on
from natfix.app.ports import Interface
from natfix.app.pursuit import Situation
from natfix.app.watch_ports import Event
from natfix.audit.guard import HeldGuards
from natfix.errors import UnsupportedError
from natfix.host.memory.network import MemoryLinks
from tests.unit.app.scene import FIXED, Scene, store
from tests.unit.app.twins import BROAD, DOCKER0, ETH0, wishes

GUARD = Situation(wishes(persist=False), guard=True)
OFF = "somebody turned the guard off, and so it stays off; turn it on with: natfix guard on"


class Growing(MemoryLinks):
    """A network that gets more devices."""

    def __init__(self, found: tuple[Interface, ...]) -> None:
        super().__init__()
        self.found = found

    def interfaces(self) -> Sequence[Interface]:
        return self.found


def scene(*specs: str, seconds: float = 50.0) -> Scene:
    return Scene([store(*specs)], seconds, situation=GUARD)


def unguarded(made: Scene) -> str:
    return str(json.loads(made.states[-1])["unguarded"])


def test_the_guard_is_turned_on_beside_the_corrections_and_recorded_once() -> None:
    made = scene(BROAD)
    made.happens(20, Event("lock", variant="legacy"), made.keep_state)
    made.put_back(30)
    made.run()
    assert made.specs() == [FIXED]
    guard = made.guard.read().guards[0]
    assert [each.bridge for each in guard.localities] == ["docker0"]
    assert [record.data["verb"] for record in made.host.history.records()] == ["watch", "guard"]
    assert made.told("guarded") == [f"turned the guard on; undo with: natfix undo {made.host.history.records()[1].id}"]
    assert unguarded(made) == ""


def test_a_host_without_a_bridge_is_guarded_when_it_has_one() -> None:
    made = scene()
    links = made.links = Growing((ETH0,))

    def bridge() -> None:
        made.keep_state()
        links.found = (DOCKER0, ETH0)

    made.happens(10, Event("lock", variant="legacy"), bridge)
    made.happens(20, Event("commit", variant="nft"), made.keep_state)
    made.happens(30, Event("lock", variant="legacy"), made.keep_state)
    made.run()
    assert "no container subnet of this host lies in" in json.loads(made.states[0])["unguarded"]
    assert unguarded(made) == ""
    assert made.guard.read().guards
    (warning,) = made.told("unguarded")
    assert warning.startswith("the guard is not on: no container subnet")


def test_a_guard_that_somebody_turned_off_stays_off_and_that_is_said() -> None:
    made = scene()
    turn_on(made.machine, GUARD.wishes.clusters)
    turn_off(made.machine)
    made.happens(20, Event("lock", variant="legacy"), made.keep_state)
    made.run()
    assert made.guard.read() == HeldGuards()
    assert unguarded(made) == OFF
    assert made.told("unguarded") == [f"the guard is not on: {OFF}"]
    assert any(f"no guard: {OFF}" in told for told in made.notifier.told)


def test_settings_that_ask_for_it_later_turn_it_on() -> None:
    made = scene()
    made.situation = replace(GUARD, guard=False)

    def ask() -> None:
        assert made.guard.read() == HeldGuards()
        made.situation = GUARD

    made.happens(10, Event("reload"), ask)
    made.run()
    assert made.guard.read().guards


def test_what_could_not_be_tried_is_told_once() -> None:
    made = scene(BROAD)
    made.guard.unproved = "not tried"
    made.stores[0].unproved = "not rehearsed"
    made.put_back(10)
    made.run()
    assert made.told("unproved") == ["not rehearsed", "not tried"]


def test_a_kernel_that_takes_no_guard_is_told_and_the_rules_are_right_all_the_same() -> None:
    made = scene(BROAD)
    made.guard.require = _refuse  # type: ignore[method-assign]
    made.happens(20, Event("lock", variant="legacy"), made.keep_state)
    made.run()
    assert made.specs() == [FIXED]
    assert json.loads(made.states[-1])["refused"] == "nat chains exclude each other"


def _refuse() -> str:
    raise UnsupportedError("nat chains exclude each other")


def test_without_that_wish_no_guard_is_made() -> None:
    made = Scene([store(BROAD)])
    made.run()
    assert made.guard.read() == HeldGuards()
