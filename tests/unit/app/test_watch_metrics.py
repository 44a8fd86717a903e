"""natfix/app/ledger.py: what the watcher tells the monitoring, on the twins of all its ports."""

from dataclasses import replace

from natfix.app import metrics
from natfix.app.guard import turn_on
from natfix.app.pursuit import Situation
from natfix.app.vigil import Patience
from natfix.app.watch_ports import Event
from natfix.audit.guard import HeldGuards
from natfix.errors import HostError, UsageError
from natfix.host.memory.guard import MemoryGuardStore
from natfix.plan.guard import GuardChange
from tests.unit.app.scene import Scene, store
from tests.unit.app.twins import BROAD, nat, wishes


class Stubborn(MemoryGuardStore):
    """A kernel that takes no guard while it refuses."""

    refusal: HostError | None = None

    def put(self, change: GuardChange) -> None:
        if self.refusal and change:
            raise self.refusal
        super().put(change)


def test_the_monitoring_gets_each_correction_and_what_is_left() -> None:
    unsure = "-m owner --uid-owner 1000 -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
    scene = Scene([store(unsure)])
    scene.put_back(10)
    scene.run()
    assert [labels for labels, _ in scene.meter.durations[metrics.CORRECTION_SECONDS]] == [("iptables-nft",)]
    assert scene.meter.value(metrics.CORRECTIONS, "iptables-nft") == 1
    assert scene.meter.values(metrics.FINDINGS) == {("iptables-nft",): 1}


def test_the_monitoring_knows_that_a_look_failed_and_of_what_kind_the_error_was() -> None:
    scene = Scene([store(BROAD)])
    scene.situation = replace(scene.situation, wishes=replace(wishes(persist=False), clusters=()))
    scene.run()
    assert scene.meter.value(metrics.LOOK_SUCCESSFUL) == 0
    assert (scene.meter.value(metrics.ERRORS, "UsageError") or 0) >= 1
    assert scene.meter.value(metrics.ERRORS, "HostError") == 0
    assert scene.meter.stamped[metrics.LAST_LOOK] == scene.meter.published >= 1


def test_the_monitoring_knows_whether_the_settings_can_be_used() -> None:
    scene = Scene([store()])
    seen = []

    def spoil() -> None:
        seen.append((scene.meter.value(metrics.SETTINGS_READ), scene.meter.stamped[metrics.SETTINGS_TIME]))
        scene.situate = refusing

    def refusing() -> Situation:
        raise UsageError("not so")

    scene.happens(10, Event("reload"), spoil)
    scene.run()
    assert seen == [(1, 1)]
    assert (scene.meter.value(metrics.SETTINGS_READ), scene.meter.stamped[metrics.SETTINGS_TIME]) == (0, 1)


def test_the_monitoring_knows_what_was_lost() -> None:
    scene = Scene([store()])
    scene.happens(10, Event("overrun", variant="nft"))
    scene.run()
    assert scene.meter.value(metrics.OVERRUNS) == 1
    right = [scene.meter.value(one) for one in (metrics.UNSAVED, metrics.UNRECORDED, metrics.LEFT_ALONE, metrics.GUARD_WANTED)]
    assert right == [0, 0, 0, 0]


def test_the_monitoring_knows_what_is_not_saved_for_the_next_boot() -> None:
    scene = Scene([store(BROAD)], situation=Situation(wishes(), Patience()))
    scene.host.saves = True
    scene.host.files.contents["/etc/iptables/rules.v4"] = nat(BROAD).encode()
    scene.host.files.refusals["/etc/iptables/rules.v4"] = HostError("the file system is read-only")
    scene.run()
    assert scene.meter.value(metrics.UNSAVED) == 1
    assert scene.meter.value(metrics.ERRORS, "HostError") == 1


def test_the_monitoring_knows_of_a_guard_that_stands_and_of_one_that_cannot_be_put_back() -> None:
    scene = Scene([store()], seconds=150.0)
    machine = scene.host.machine
    turn_on(machine, wishes().clusters)
    machine.guard.put(GuardChange(machine.guard.read().guards, ()))
    guard = scene.guard = Stubborn()
    seen = []

    def gone() -> None:
        seen.append([scene.meter.value(one) for one in (metrics.GUARD_WANTED, metrics.GUARD_STANDING, metrics.GUARD_RESTORED)])
        guard.held = HeldGuards()
        guard.refusal = HostError("the kernel is full")

    scene.happens(30, Event("commit", variant="nft"), gone)
    scene.run()
    seen.append([scene.meter.value(one) for one in (metrics.GUARD_WANTED, metrics.GUARD_STANDING, metrics.GUARD_RESTORED)])
    assert seen == [[1, 1, 1], [1, 0, 1]]
