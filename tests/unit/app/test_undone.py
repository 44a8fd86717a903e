"""natfix/app/undone.py: what a person has undone stays undone, whatever natfix does by itself, until a person applies again."""

from dataclasses import replace

import pytest

from natfix.app.apply import apply_change
from natfix.app.planning import Wishes
from natfix.app.record import Journey, journeys
from natfix.app.restore import restore
from natfix.app.status import look
from natfix.app.undo import LEFT_ALONE, confirm, undo, undo_unconfirmed
from natfix.app.undone import Reminder, Undone, undone_of
from natfix.errors import HostError
from natfix.plan import Plan
from tests.unit.app.twins import BROAD, CORRECTED, LEGACY4, NFT4, OTHER, RULES4, Host, host, nat, refuse, wishes

OTHER_BROAD = "-s 172.7.21.0/24 ! -o br-1 -j MASQUERADE"
OTHER_CORRECTED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o br-1 -j MASQUERADE"


def by_itself(**others: object) -> Wishes:
    return wishes(leave_undone=True, **others)


@pytest.fixture
def undone() -> Host:
    """A host whose correction was undone, in kernel and file."""
    made = host(BROAD)
    made.files.contents[RULES4] = nat(BROAD).encode()
    apply_change(made.machine, wishes())
    undo(made.machine)
    made.done()
    return made


def test_undo_says_that_nobody_corrects_it_again(undone: Host) -> None:
    apply_change(undone.machine, wishes())
    assert LEFT_ALONE in undo(undone.machine, dry_run=True).notes
    assert LEFT_ALONE in undo(undone.machine).notes


def test_what_was_undone_is_left_alone_in_kernel_and_file_and_told(undone: Host) -> None:
    result = restore(undone.machine, (), wishes())
    assert (result.done, result.changes, undone.done(), result.left) == (False, (), [], True)
    (journey,) = journeys(undone.history)
    assert result.notes == (
        f"left alone, for {journey.id} was undone: iptables-nft: -A POSTROUTING {BROAD}; correct it again with: natfix apply",
        f"left alone, for {journey.id} was undone: {RULES4}; correct it again with: natfix apply",
    )


def test_the_same_words_written_anew_are_what_was_undone(undone: Host) -> None:
    undone.table.chains["POSTROUTING"] = ()
    undone.table.insert(BROAD)
    assert not apply_change(undone.machine, by_itself()).done
    assert undone.table.specs == [BROAD]


def test_another_rule_and_another_backend_are_corrected_all_the_same() -> None:
    made = host(BROAD, more=[(LEGACY4, OTHER)])
    made.saves = False
    apply_change(made.machine, wishes())
    undo(made.machine)
    made.table.insert(OTHER_BROAD)
    made.tables[1].insert(BROAD)
    assert apply_change(made.machine, by_itself()).done
    assert made.table.specs == [OTHER_CORRECTED, BROAD]
    assert made.tables[1].specs == [CORRECTED, OTHER]


def test_with_several_changes_only_what_was_undone_is_left_alone() -> None:
    made = host(BROAD)
    made.saves = False
    apply_change(made.machine, wishes())
    made.clock.advance(60)
    made.table.insert(OTHER_BROAD)
    apply_change(made.machine, wishes())
    undo(made.machine)
    made.table.insert(BROAD)
    apply_change(made.machine, by_itself())
    assert made.table.specs == [OTHER_BROAD, CORRECTED]


def test_a_persons_apply_corrects_it_and_ends_it(undone: Host) -> None:
    result = apply_change(undone.machine, wishes())
    (first, _) = journeys(undone.history)
    assert result.done
    assert result.notes == (f"natfix watch and restore no longer leave alone what was undone ({first.id})",)
    undone.table.insert(BROAD)
    assert apply_change(undone.machine, by_itself()).done
    assert undone.table.specs == [CORRECTED]


def test_a_persons_apply_ends_it_also_when_nothing_is_to_be_corrected(undone: Host) -> None:
    undone.table.chains["POSTROUTING"] = ()
    del undone.files.contents[RULES4]
    assert not apply_change(undone.machine, wishes()).done
    undone.table.insert(BROAD)
    assert apply_change(undone.machine, by_itself()).done


@pytest.mark.parametrize(
    ("told", "left"),
    [
        ({"persist": False}, (RULES4,)),
        ({"kernel": False}, ("iptables-nft",)),
        ({"file": "/etc/iptables/other"}, (RULES4,)),
        ({}, ()),
    ],
)
def test_it_ends_for_what_the_person_spoke_of(undone: Host, told: dict[str, object], left: tuple[str, ...]) -> None:
    apply_change(undone.machine, wishes(**told))
    assert journeys(undone.history)[0].left == left


def test_a_disk_that_refuses_the_end_of_it_is_told_and_the_correction_stands(undone: Host) -> None:
    undone.history.refusals = {"undone": HostError("no space left")}
    result = apply_change(undone.machine, wishes())
    (journey, _) = journeys(undone.history)
    assert undone.table.specs == [CORRECTED]
    assert result.notes == (f"natfix watch and restore go on to leave alone what {journey.id} did: no space left",)


def test_status_tells_it_with_its_time(undone: Host) -> None:
    (journey,) = journeys(undone.history)
    status = look(undone.machine, wishes())
    assert [str(each) for each in status.left] == [f"iptables-nft: -A POSTROUTING {BROAD}", RULES4]
    assert {(each.change, each.since) for each in status.left} == {(journey.id, "2026-01-01T00:00:00Z")}
    assert not status.right


def test_it_is_written_down_before_the_kernel_hears_of_it() -> None:
    made = host(BROAD)
    made.saves = False
    apply_change(made.machine, wishes())
    seen: list[tuple[str, ...]] = []
    made.table.before = [lambda: seen.append(journeys(made.history)[0].left)]
    undo(made.machine)
    assert seen == [("iptables-nft",)]


def test_an_undo_that_fails_leaves_nothing_alone() -> None:
    made = host(BROAD)
    apply_change(made.machine, wishes())
    made.table.before = [refuse(HostError("refused"))]
    with pytest.raises(HostError, match="refused"):
        undo(made.machine)
    assert journeys(made.history)[0].left == ()


def test_an_unconfirmed_change_that_was_taken_back_is_left_alone() -> None:
    made = host(BROAD)
    apply_change(made.machine, wishes(confirm=60))
    (journey,) = journeys(made.history)
    undo_unconfirmed(made.machine, journey.id)
    assert not apply_change(made.machine, by_itself()).done
    assert made.table.specs == [BROAD]


def test_while_a_file_keeps_an_unconfirmed_change_from_being_taken_back_the_rules_stay_as_they_went_back() -> None:
    made = host(BROAD)
    apply_change(made.machine, wishes(confirm=60))
    (journey,) = journeys(made.history)
    made.files.refusals[RULES4] = HostError("read-only")
    with pytest.raises(HostError, match="read-only"):
        undo_unconfirmed(made.machine, journey.id)
    assert not apply_change(made.machine, by_itself()).done
    assert (made.table.specs, made.history.states) == ([BROAD], ["waiting"])
    confirm(made.machine, same_session=True)
    assert apply_change(made.machine, by_itself()).done


def test_a_full_disk_keeps_nobody_from_taking_an_unconfirmed_change_back() -> None:
    made = host(BROAD)
    apply_change(made.machine, wishes(confirm=60))
    (journey,) = journeys(made.history)
    made.history.refusals = {"waiting": HostError("no space left"), "rolled back": HostError("no space left")}
    with pytest.raises(HostError, match="no space left"):
        undo_unconfirmed(made.machine, journey.id)
    assert made.table.specs == [BROAD]


def test_a_chain_of_natfixs_own_that_was_completed_is_left_as_it_was() -> None:
    undone = undone_of([replace(_completed(), left=("iptables-nft",))])
    assert undone.holds_all(NFT4, Plan((), {"NATFIX-1": ("-d 10.0.0.0/8 -j RETURN", "-j MASQUERADE")}))
    assert not undone.holds_all(NFT4, Plan((), {"NATFIX-2": ("-j MASQUERADE",)}))
    assert not undone.holds_all(LEGACY4, Plan((), {"NATFIX-1": ("-j MASQUERADE",)}))
    assert [str(each) for each in undone.told] == ["iptables-nft: :NATFIX-1"]


def _completed() -> Journey:
    made = host(BROAD)
    apply_change(made.machine, wishes())
    (journey,) = journeys(made.history)
    (table,) = journey.tables
    plan = Plan((), {"NATFIX-1": ("-j MASQUERADE",)}, {"NATFIX-1": ("-j MASQUERADE",)})
    return replace(journey, tables=(replace(table, plan=plan),), files=())


def test_a_record_of_a_natfix_that_knew_nothing_of_this_leaves_nothing_alone(undone: Host) -> None:
    (record,) = undone.history.records()
    old = {name: value for name, value in record.data.items() if name not in {"left", "ended"}}
    assert undone_of([Journey.read(replace(record, data=old))]) == Undone()


def test_the_history_is_read_again_only_after_it_has_changed(undone: Host) -> None:
    reminder = Reminder(undone.history)
    assert reminder.look()
    assert not reminder.look()
    apply_change(undone.machine, wishes())
    assert reminder.look()
    assert reminder.undone == Undone()
