from datetime import timedelta

import pytest

from natfix.app.apply import apply_change
from natfix.app.record import journeys
from natfix.app.undo import LEFT_ALONE, confirm, undo, undo_unconfirmed
from natfix.errors import BusyError, ConflictError, HostError, UsageError
from natfix.ruleset import Family
from tests.unit.app.twins import BROAD, CORRECTED, LEGACY4, NFT6, OTHER, RULES4, Host, host, nat, refuse, wishes

MARKED = "-m mark --mark 0x1 -j RETURN"


@pytest.fixture
def corrected() -> Host:
    """A host that natfix has corrected, in kernel and file."""
    made = host(OTHER, BROAD)
    made.files.replace(RULES4, nat(OTHER, BROAD).encode())
    apply_change(made.machine, wishes())
    made.done()
    return made


def test_kernel_and_file_become_what_they_were(corrected: Host) -> None:
    result = undo(corrected.machine)
    steps = ["note done", "rehearse iptables-nft", f"write {RULES4}", "commit iptables-nft", "note undone"]
    assert corrected.done() == steps
    assert (corrected.table.specs, corrected.saved()) == ([OTHER, BROAD], nat(OTHER, BROAD))
    assert ([change.place for change in result.changes], result.done) == (["iptables-nft", RULES4], True)
    assert corrected.history.states == ["undone"]


def test_a_dry_run_tells_the_same_and_does_nothing(corrected: Host) -> None:
    shown = undo(corrected.machine, dry_run=True)
    assert corrected.done() == []
    assert (shown.done, shown.changes) == (False, undo(corrected.machine).changes)


def test_every_table_is_undone() -> None:
    every = host(more=[(LEGACY4, BROAD), (NFT6, "-s fd07:21::/64 ! -o docker0 -j MASQUERADE")])
    before = [table.specs for table in every.tables]
    apply_change(every.machine, wishes())
    undo(every.machine)
    assert [table.specs for table in every.tables] == before


def test_what_others_changed_since_stays(corrected: Host) -> None:
    corrected.table.insert(MARKED)
    corrected.files.contents[RULES4] = corrected.saved().replace("COMMIT", f"-A POSTROUTING {MARKED}\nCOMMIT").encode()
    undo(corrected.machine)
    assert corrected.table.specs == [MARKED, OTHER, BROAD]
    assert corrected.saved() == nat(OTHER, BROAD, MARKED)


def test_what_others_removed_since_stays_removed(corrected: Host) -> None:
    corrected.table.chains["POSTROUTING"] = ()
    del corrected.files.contents[RULES4]
    result = undo(corrected.machine)
    assert result.notes == ("the change 20260101T000000Z-1 had already gone from kernel and files", LEFT_ALONE)
    assert (corrected.table.specs, RULES4 in corrected.files.contents) == ([], False)


def test_a_file_that_natfix_made_goes_and_one_that_others_wrote_into_stays() -> None:
    for line in ("", f"-A POSTROUTING {MARKED}\n"):
        fresh = host()
        apply_change(fresh.machine, wishes())
        fresh.files.contents[RULES4] = fresh.saved().replace("COMMIT", f"{line}COMMIT").encode()
        undo(fresh.machine)
        assert (RULES4 in fresh.files.contents) == bool(line)
        assert not line or (line in fresh.saved() and CORRECTED not in fresh.saved())


def test_a_table_that_others_wrote_into_stays_when_natfix_made_it() -> None:
    fresh = host()
    fresh.files.contents[RULES4] = b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
    apply_change(fresh.machine, wishes())
    fresh.files.contents[RULES4] = fresh.saved().replace(CORRECTED, f"{CORRECTED}\n-A POSTROUTING {MARKED}").encode()
    undo(fresh.machine)
    assert fresh.saved().startswith("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n*nat\n")
    assert f"-A POSTROUTING {MARKED}\nCOMMIT\n" in fresh.saved()
    assert CORRECTED not in fresh.saved()


def test_a_backend_that_is_gone_is_passed_over(corrected: Host) -> None:
    corrected.tables.clear()
    assert [change.place for change in undo(corrected.machine).changes] == [RULES4]


def test_the_newest_change_is_undone_first_and_each_once(corrected: Host) -> None:
    corrected.table.insert(BROAD)
    corrected.clock.advance(60)
    apply_change(corrected.machine, wishes())
    undo(corrected.machine)
    assert corrected.table.specs == [BROAD, OTHER, CORRECTED]
    undo(corrected.machine)
    assert corrected.table.specs == [BROAD, OTHER]
    nothing = undo(corrected.machine)
    assert (nothing.done, nothing.changes, nothing.notes) == (False, (), ())


def test_a_change_is_undone_by_its_name(corrected: Host) -> None:
    (first,) = journeys(corrected.history)
    undo(corrected.machine, first.id)
    with pytest.raises(UsageError, match=f"the change {first.id} is undone"):
        undo(corrected.machine, first.id)
    with pytest.raises(UsageError, match="there is no change 42"):
        undo(corrected.machine, "42")


def test_changes_of_one_second_have_names_of_their_own_in_order(corrected: Host) -> None:
    corrected.table.insert(BROAD)
    apply_change(corrected.machine, wishes())
    first, second = journeys(corrected.history)
    assert (first.id, second.id) == ("20260101T000000Z-1", "20260101T000000Z-2")
    assert second.at - first.at == timedelta(0)


@pytest.mark.parametrize("error", [HostError("refused"), ConflictError("gone")])
def test_when_the_kernel_refuses_the_file_stays_and_undo_can_be_said_again(
    corrected: Host, error: HostError | ConflictError
) -> None:
    corrected.table.before = [refuse(error)]
    with pytest.raises(type(error)):
        undo(corrected.machine)
    assert (corrected.table.specs, corrected.saved()) == ([OTHER, CORRECTED], nat(OTHER, CORRECTED))
    assert corrected.history.states == ["done"]
    undo(corrected.machine)
    assert (corrected.table.specs, corrected.saved()) == ([OTHER, BROAD], nat(OTHER, BROAD))


def test_when_a_file_refuses_the_kernel_stays(corrected: Host) -> None:
    corrected.files.refusals[RULES4] = HostError("read-only")
    with pytest.raises(HostError, match="read-only"):
        undo(corrected.machine)
    assert corrected.table.specs == [OTHER, CORRECTED]


def test_a_file_that_iptables_would_refuse_is_not_left_behind(corrected: Host) -> None:
    def refused(family: Family, data: bytes) -> str:
        raise HostError(f"{family}: {len(data)} bytes")

    corrected.refused = refused
    with pytest.raises(HostError, match="bytes"):
        undo(corrected.machine)
    assert (corrected.table.specs, corrected.saved()) == ([OTHER, CORRECTED], nat(OTHER, CORRECTED))


def test_another_natfix_at_work_is_not_disturbed(corrected: Host) -> None:
    corrected.turnstile.holder = "process 4711"
    for act in (undo, confirm):
        with pytest.raises(BusyError, match="process 4711"):
            act(corrected.machine)


@pytest.fixture
def waiting() -> Host:
    """A host with a change that waits for its confirmation, watched."""
    made = host()

    def undo_it(change: str) -> None:
        undo_unconfirmed(made.machine, change)

    made.watchdog._undo = undo_it
    apply_change(made.machine, wishes(confirm=60))
    return made


def test_unconfirmed_it_is_undone_when_the_time_is_over(waiting: Host) -> None:
    waiting.watchdog.elapse(59)
    assert waiting.table.specs == [CORRECTED]
    waiting.watchdog.elapse(1)
    assert (waiting.table.specs, RULES4 in waiting.files.contents) == ([BROAD], False)
    assert waiting.history.states == ["rolled back"]


def test_confirmed_from_a_new_login_it_stays(waiting: Host) -> None:
    waiting.watchdog.login = "login 2"
    assert confirm(waiting.machine).places == ("iptables-nft", RULES4)
    waiting.watchdog.elapse(60)
    assert waiting.table.specs == [CORRECTED]
    assert waiting.history.states == ["done"]


def test_the_login_it_was_made_from_may_not_confirm_unless_it_insists(waiting: Host) -> None:
    with pytest.raises(UsageError, match="this is the login the change was made from"):
        confirm(waiting.machine)
    assert waiting.history.states == ["waiting"]
    confirm(waiting.machine, same_session=True)
    assert waiting.history.states == ["done"]


def test_a_change_undone_by_hand_is_not_undone_again(waiting: Host) -> None:
    undo(waiting.machine)
    apply_change(waiting.machine, wishes())
    waiting.watchdog.elapse(60)
    assert waiting.table.specs == [CORRECTED]
    assert waiting.history.states == ["undone", "done"]


def test_nothing_waits_when_nothing_was_to_be_confirmed(corrected: Host) -> None:
    with pytest.raises(UsageError, match="no change waits for a confirmation"):
        confirm(corrected.machine)


def test_the_watchdog_gives_the_rules_back_although_a_file_refuses(waiting: Host) -> None:
    waiting.files.refusals[RULES4] = HostError("read-only")
    with pytest.raises(HostError, match="read-only"):
        waiting.watchdog.elapse(60)
    assert waiting.table.specs == [BROAD]
    assert waiting.history.states == ["waiting"]
    waiting.files.refusals.clear()
    (change,) = journeys(waiting.history)
    undo_unconfirmed(waiting.machine, change.id)
    assert RULES4 not in waiting.files.contents
    assert waiting.history.states == ["rolled back"]


def test_the_files_of_a_killed_change_are_written_as_they_are_so_that_its_litter_goes() -> None:
    killed = host()
    killed.history.refusals = {"done": HostError("killed here"), "rolled back": HostError("dead")}
    killed.files.contents[RULES4] = nat(BROAD).encode()
    with pytest.raises(HostError):
        apply_change(killed.machine, wishes())
    killed.history.refusals.clear()
    killed.done()
    undo(killed.machine)
    assert killed.done() == ["note started", f"write {RULES4}", "note undone"]
    assert killed.saved() == nat(BROAD)
