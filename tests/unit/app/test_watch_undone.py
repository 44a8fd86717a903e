"""The watcher and what a person says meanwhile: undone rules stay, and come right again when the person wants that."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from natfix.app.apply import apply_change
from natfix.app.change_ports import Record
from natfix.app.machine import Machine
from natfix.app.metrics import CORRECTION_SECONDS
from natfix.app.record import journeys
from natfix.app.undo import confirm, undo, undo_unconfirmed
from natfix.app.watch_ports import Event
from natfix.app.watch_state import STATE_PATH, read_watcher
from natfix.errors import BusyError, HostError
from natfix.host.memory.clock import MemoryTurnstile
from natfix.ruleset import Ruleset
from tests.unit.app.scene import FIXED, LEGACY, OTHER, WRITER, Scene, store
from tests.unit.app.twins import BROAD, wishes

OTHER_FIXED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o br-1 -j MASQUERADE"


def person(scene: Scene) -> Machine:
    """The host as a natfix that somebody runs sees it."""
    return replace(scene.host.machine, stores=scene.stores)


def does(scene: Scene, after: float, act: Callable[[Machine], object]) -> None:
    """Let a person do something, which the watcher hears of by its commit."""
    scene.happens(after, Event("commit", variant="nft"), lambda: act(person(scene)))


def apply_by_hand(machine: Machine) -> None:
    apply_change(machine, wishes(persist=False))


def test_what_is_undone_while_it_watches_stays_undone_and_is_told_once() -> None:
    scene = Scene([store(BROAD)], seconds=200.0)
    does(scene, 10, undo)
    for after in (20, 30, 40):
        scene.put_back(after)
    scene.run()
    assert scene.specs() == [BROAD] * 4
    (entry,) = scene.chronicle.told("left")
    assert entry.level == "warning"
    assert f"iptables-nft: -A POSTROUTING {BROAD}" in entry.message
    assert entry.fields["rule"] == f"-A POSTROUTING {BROAD}"
    assert any("1 left alone, as undone" in told for told in scene.notifier.told)
    assert scene.told("refused") == []


def test_a_watcher_that_starts_later_leaves_it_alone_too() -> None:
    before = Scene([store(BROAD)])
    does(before, 10, undo)
    before.run()
    scene = Scene([store(BROAD)], host=before.host)
    scene.put_back(20)
    scene.run()
    assert scene.specs() == [BROAD, BROAD]
    assert len(scene.chronicle.told("left")) == 1


def test_another_rule_is_corrected_all_the_same() -> None:
    scene = Scene([store(BROAD), store(backend=LEGACY)])
    does(scene, 10, undo)
    scene.put_back(20, OTHER)
    scene.put_back(30, which=1)
    scene.run()
    assert (scene.specs(0), scene.specs(1)) == ([OTHER_FIXED, BROAD], [FIXED])


def test_when_the_person_applies_again_it_is_watched_again() -> None:
    scene = Scene([store(BROAD)])
    does(scene, 10, undo)
    does(scene, 20, apply_by_hand)
    scene.put_back(30)
    scene.run()
    assert scene.specs() == [FIXED]
    assert len(scene.chronicle.told("resumed")) == 1


def test_when_the_person_applies_while_nothing_is_wrong_it_is_watched_again() -> None:
    scene = Scene([store(BROAD)])
    does(scene, 10, undo)
    scene.happens(15, Event("commit", variant="nft"), lambda: scene.stores[0].change("*nat\n-F POSTROUTING\nCOMMIT\n"))
    does(scene, 20, apply_by_hand)
    scene.put_back(30)
    scene.run()
    assert scene.specs() == [FIXED]


class Crossing(MemoryTurnstile):
    """A turnstile before which somebody else goes through first, once."""

    def __init__(self) -> None:
        super().__init__()
        self.first: Callable[[], object] | None = None

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        first, self.first = self.first, None
        if first is not None:
            first()
        with super().hold():
            yield


@pytest.mark.parametrize("repeated", [True, False])
def test_who_undoes_between_its_look_and_its_commit_is_heard(*, repeated: bool) -> None:
    scene = Scene([store(BROAD)])
    scene.host.turnstile = crossing = Crossing()
    rule = BROAD if repeated else OTHER

    def cross() -> None:
        # Put back, and right before the watcher corrects it a person says what shall be.
        scene.stores[0].change(f"*nat\n-I POSTROUTING {rule}\nCOMMIT\n")
        crossing.first = lambda: undo(person(scene)) if repeated else forbid(scene)

    scene.happens(10, Event("commit", variant="nft"), cross)
    scene.run()
    assert rule in scene.specs()
    assert len(scene.chronicle.told("corrected")) == 1
    assert scene.told("refused") == []


def forbid(scene: Scene) -> None:
    """Correct what is wrong, and undo that."""
    apply_by_hand(person(scene))
    undo(person(scene))


def test_an_unconfirmed_change_that_is_taken_back_is_not_made_again() -> None:
    scene = Scene([store()])

    def try_out(machine: Machine) -> None:
        scene.stores[0].change(f"*nat\n-I POSTROUTING {BROAD}\nCOMMIT\n")
        apply_change(machine, wishes(persist=False, confirm=10))

    does(scene, 10, try_out)
    # Docker is restarted while it waits: that is corrected, for nobody has undone anything yet.
    scene.put_back(15)
    does(scene, 20, lambda machine: undo_unconfirmed(machine, journeys(machine.history)[0].id))
    scene.put_back(30)
    scene.run()
    assert scene.specs() == [BROAD, BROAD]
    assert [entry.what for entry in scene.chronicle.entries].count("corrected") == 1


def test_a_change_that_is_confirmed_is_watched() -> None:
    scene = Scene([store()])

    def try_out(machine: Machine) -> None:
        scene.stores[0].change(f"*nat\n-I POSTROUTING {BROAD}\nCOMMIT\n")
        apply_change(machine, wishes(persist=False, confirm=10))

    does(scene, 10, try_out)
    does(scene, 15, lambda machine: confirm(machine, same_session=True))
    scene.put_back(20)
    scene.run()
    assert scene.specs() == [FIXED]


def test_an_undone_file_is_not_saved_again() -> None:
    scene = Scene([store(BROAD)], seconds=200.0)
    scene.host.saves = True
    scene.situation = replace(scene.situation, wishes=wishes())

    def take_back(machine: Machine) -> None:
        scene.seen.append([scene.host.saved()])
        undo(machine)

    does(scene, 10, take_back)
    scene.put_back(20)
    scene.run()
    assert FIXED in scene.seen[0][0]
    assert "/etc/iptables/rules.v4" not in scene.host.files.contents
    assert scene.specs() == [FIXED], "the newest change is undone alone: that of the file"


def test_records_that_cannot_be_read_keep_no_rule_wrong_and_are_told_once() -> None:
    scene = Scene([store()])
    scene.put_back(10)

    def damage() -> None:
        scene.host.history.save(Record("20260101T000000Z-9", {"state": "done"}))

    scene.happens(15, Event("lock", variant="legacy"), damage)
    scene.put_back(20)
    scene.put_back(30)
    scene.run()
    assert scene.specs() == [FIXED]
    told = scene.told("refused")
    assert told[0].startswith("what was undone since cannot be told, and may be corrected again: ")
    assert len(told) == len(set(told)), "each once"


def test_a_full_disk_keeps_no_rule_wrong_and_the_record_follows() -> None:
    scene = Scene([store()], seconds=200.0)
    full = HostError("no space left")
    scene.host.history.refusals = {"started": full, "done": full}
    scene.put_back(10)

    def look() -> None:
        scene.seen.append(scene.specs())
        scene.keep_state()

    scene.happens(20, Event("lock", variant="legacy"), look)
    scene.put_back(30)
    scene.happens(90, Event("lock", variant="legacy"), scene.host.history.refusals.clear)
    scene.run()
    assert (scene.seen, scene.specs()) == ([[FIXED]], [FIXED])
    assert scene.told("refused") == ["corrected, but natfix undo does not know of it yet: no space left"]
    (record,) = scene.host.history.records()
    assert record.data["state"] == "done"
    scene.host.files.contents[STATE_PATH] = scene.states[0].encode()
    watcher = read_watcher(scene.host.files)
    assert watcher is not None
    assert watcher.unrecorded == "no space left"
    undo(person(scene))
    assert scene.specs() == [BROAD]


def test_in_a_fight_the_time_told_is_that_since_the_rule_came_back() -> None:
    scene = Scene([store()], seconds=60.0)
    for tick in range(1, 60):
        scene.put_back(tick * 0.1)
    scene.run()
    entries = scene.chronicle.told("corrected")
    times = [(entry.fields["microseconds"], entry.fields["look_microseconds"]) for entry in entries]
    assert all(first == look for first, look in times[:26])
    first, look = times[26]
    # Held back for a second, while it was put back ten times.
    assert 900_000 <= first <= 1_100_000
    assert look < 200_000
    assert f"({look} us since the last look began; it was held back until then)" in entries[26].message
    assert [round(seconds * 1_000_000) for _, seconds in scene.meter.durations[CORRECTION_SECONDS]] == [
        first for first, _ in times
    ]


def test_after_somebody_was_in_the_way_the_time_told_is_that_since_the_rule_came_back() -> None:
    scene = Scene([store()])
    scene.put_back(10)
    tries: list[float] = []

    def busy() -> None:
        tries.append(scene.time.now)
        if len(tries) < 3:
            raise BusyError("the lock was not free")

    scene.stores[0].before_commit = busy
    scene.run()
    (entry,) = scene.chronicle.told("corrected")
    assert entry.fields["microseconds"] == round((tries[-1] - tries[0]) * 1_000_000) > 0
    assert entry.fields["writers"] == [str(WRITER)]


def test_a_rule_that_went_and_came_again_is_a_new_one() -> None:
    scene = Scene([store()], seconds=200.0)
    scene.put_back(10)
    gone: list[int] = []

    def busy_once() -> None:
        if not gone:
            gone.append(1)
            scene.stores[0].change("*nat\n-F POSTROUTING\nCOMMIT\n")
            raise BusyError("the lock was not free")

    scene.stores[0].before_commit = busy_once
    scene.put_back(100)
    scene.run()
    (entry,) = scene.chronicle.told("corrected")
    assert entry.fields["microseconds"] == 0


def test_a_state_that_could_not_be_written_follows() -> None:
    scene = Scene([store()], seconds=200.0)
    scene.put_back(10)
    scene.happens(5, Event("lock", variant="legacy"), lambda: refuse_state(scene))
    scene.happens(70, Event("lock", variant="legacy"), scene.host.files.refusals.clear)
    scene.happens(150, Event("lock", variant="legacy"), scene.keep_state)
    scene.run()
    assert '"corrections": 1' in scene.states[0]


def refuse_state(scene: Scene) -> None:
    scene.host.files.refusals[STATE_PATH] = HostError("no space left")


def test_what_was_drained_before_somebody_was_in_the_way_is_looked_at_again() -> None:
    scene = Scene([store(), store(backend=LEGACY)])
    scene.put_back(10)
    first, second = scene.stores
    read, reads = first.read, [0]

    def crowded() -> Ruleset:
        reads[0] += 1
        if reads[0] == crowd:
            raise BusyError("rules changed all the time")
        return read()

    def meanwhile() -> None:
        first.before_commit = lambda: None
        scene.put_back(10, which=1)

    # The start; the event, whose correction looks twice more; and the look behind it, in which somebody is in the way.
    crowd = 5
    first.read, first.before_commit = crowded, meanwhile  # type: ignore[method-assign]
    scene.run()
    assert reads[0] > crowd
    assert [rule.spec for rule in second.chains["POSTROUTING"]] == [FIXED]
    assert len(scene.chronicle.told("corrected")) == 2
