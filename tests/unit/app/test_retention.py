"""natfix/app/retention.py: the history is bounded, and nothing that is still of use goes."""

from dataclasses import replace

import pytest

from natfix.app.apply import apply_change
from natfix.app.record import Journey, State, journeys
from natfix.app.retention import prune
from natfix.app.undo import undo
from natfix.errors import HostError
from natfix.host.memory.files import MemoryHistory
from natfix.plan.guard import GuardChange
from tests.unit.app.twins import BROAD, CORRECTED, OTHER, Host, host, wishes


def applied(times: int, made: Host | None = None, **others: object) -> Host:
    """A host where Docker was started so often, and corrected each time; without a saved file."""
    made = made or host(OTHER)
    made.saves = False
    for _ in range(times):
        made.table.insert(BROAD)
        made.clock.advance(60)
        apply_change(made.machine, wishes(**others))
    return made


def ids(made: Host) -> list[str]:
    return [journey.id for journey in journeys(made.history)]


def test_of_corrections_in_the_same_words_the_newest_stays_and_can_be_undone() -> None:
    made = applied(30, keep_records=5)
    # The first one made the corrected rule, the others found it there.
    assert len(ids(made)) == 6
    first, *_, last = journeys(made.history)
    assert (first.tables[0].plan.edits[0].kept, last.tables[0].plan.edits[0].kept) == (False, True)
    for specs in ([BROAD, CORRECTED, OTHER], [BROAD, CORRECTED, OTHER]):
        undo(made.machine)
        assert made.table.specs == specs


def test_undone_to_the_last_record_the_host_is_as_it_was() -> None:
    made = applied(30, keep_records=1)
    assert [undo(made.machine).done for _ in range(3)] == [True, True, False]
    assert made.table.specs == [BROAD, OTHER]


def test_by_default_a_hundred_stay() -> None:
    assert len(ids(applied(110))) == 101


def test_nothing_goes_as_long_as_there_are_few() -> None:
    assert len(ids(applied(5, keep_records=5))) == 5


def test_corrections_in_other_words_stay() -> None:
    made = host(OTHER)
    made.saves = False
    for number in range(5):
        made.table.insert(f"-s 172.7.21.0/24 ! -o br-{number} -j MASQUERADE")
        made.clock.advance(60)
        apply_change(made.machine, wishes(keep_records=1))
    assert len(ids(made)) == 5


def test_what_was_undone_and_is_left_alone_stays_until_it_is_corrected_again() -> None:
    made = applied(1)
    undo(made.machine)
    (left,) = ids(made)
    for number in range(5):
        made.table.insert(f"-s 172.7.21.0/24 ! -o br-{number} -j MASQUERADE")
        made.clock.advance(60)
        apply_change(made.machine, wishes(keep_records=1, leave_undone=True))
    assert left in ids(made)
    made.clock.advance(60)
    apply_change(made.machine, wishes(keep_records=1))
    apply_change(made.machine, wishes(keep_records=1))
    assert left not in ids(made)


@pytest.mark.parametrize(
    ("state", "stays"), [("waiting", True), ("started", True), ("done", True), ("undone", False), ("rolled back", False)]
)
def test_what_waits_or_can_be_undone_stays(state: State, *, stays: bool) -> None:
    history = MemoryHistory()
    made = applied(2)
    old, new = journeys(made.history)
    for journey in (replace(old, state=state), new):
        history.save(journey.record())
    prune(history, 1)
    assert (old.id in {record.id for record in history.records()}) is stays


def test_a_repetition_of_what_was_undone_stays() -> None:
    history = MemoryHistory()
    _, old, new = journeys(applied(3).history)
    for journey in (old, new.in_state("undone")):
        history.save(journey.record())
    prune(history, 1)
    assert [record.id for record in history.records()] == [old.id, new.id]


def test_changes_of_files_and_of_the_guard_are_never_the_same_twice() -> None:
    history = MemoryHistory()
    one, _ = journeys(applied(2).history)
    guards: list[Journey] = [replace(one, id=f"20260101T00000{number}Z-1", guard=GuardChange()) for number in range(3)]
    for journey in guards:
        history.save(journey.in_state("done").record())
    prune(history, 1)
    assert len(history.records()) == 3


def test_a_record_that_the_disk_will_not_let_go_keeps_no_other_from_going() -> None:
    class Stuck(MemoryHistory):
        def remove(self, id_: str) -> None:
            if id_ == stuck:
                raise HostError("read-only")
            super().remove(id_)

    known = journeys(applied(6).history)
    stuck = known[1].id
    history = Stuck([journey.record() for journey in known])
    prune(history, 1)
    assert [record.id for record in history.records()] == [known[0].id, stuck, known[-1].id]


def test_a_name_is_not_given_twice_in_a_second_when_an_older_one_has_gone() -> None:
    made = host(OTHER)
    made.saves = False
    for _ in range(8):
        made.table.insert(BROAD)
        apply_change(made.machine, wishes(keep_records=1))
    assert ids(made) == ["20260101T000000Z-1", "20260101T000000Z-8"]
