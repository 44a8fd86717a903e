"""Take natfix's own changes back, confirm them, and tell what was changed when."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from natfix.app.machine import Machine
from natfix.app.ports import RulesetStore
from natfix.app.record import UNDOABLE, FileChange, Journey, find, journeys
from natfix.audit.guard import table_name
from natfix.errors import HostError, NatfixError, UsageError
from natfix.plan import Plan, compile_script, inverse, rewrite, ruleset_diff, take_from, text_diff
from natfix.plan.guard import GuardChange
from natfix.report.changes import Change, ChangeResult
from natfix.ruleset import Ruleset

LEFT_ALONE: Final = (
    "natfix watch and natfix restore, which units call, leave alone what is undone, also when Docker writes it anew; "
    "that ends with: natfix apply"
)


def undo(machine: Machine, wanted: str | None = None, *, dry_run: bool = False) -> ChangeResult:
    """Take back the change *wanted*, or the newest one, and nothing else; what others changed since stays.

    Raises:
        UsageError: there is no such change, or it is undone already.
        HostError, ConflictError, BusyError: as for applying.
    """
    with machine.turnstile.hold():
        journey = find(journeys(machine.history), wanted, UNDOABLE)
        if journey is None:
            return ChangeResult("undo", done=False)
        left = journey.left_alone(machine.clock.now())
        notes: list[str] = []
        changes = take_back(machine, journey, dry_run=True) if dry_run else _take_back_for_good(machine, journey, left, notes)
    if not changes:
        notes.append(f"the change {journey.id} had already gone from kernel and files")
    if left.left:
        notes.append(LEFT_ALONE)
    return ChangeResult("undo", done=not dry_run, changes=changes, notes=tuple(notes))


def _take_back_for_good(machine: Machine, journey: Journey, left: Journey, unproved: list[str]) -> tuple[Change, ...]:
    """Take *journey* back; that it is to be left alone is written down before, so that no watcher corrects it in between."""
    # A disk that refuses this keeps nobody from undoing; the note below tells the refusal.
    with contextlib.suppress(HostError):
        machine.history.save(left.record())
    try:
        changes = take_back(machine, journey, unproved=unproved)
        _clear_up(machine, journey)
    except BaseException:
        with contextlib.suppress(HostError):
            machine.history.save(journey.record())
        raise
    machine.history.save(left.in_state("undone").record())
    return changes


def undo_unconfirmed(machine: Machine, wanted: str) -> ChangeResult:
    """Take back the change *wanted* if it still waits for its confirmation; what the watchdog does when the time is over.

    Raises:
        NatfixError: a part of it could not be taken back; the running rules are, where that was possible at all.
    """
    with machine.turnstile.hold():
        journey = find(journeys(machine.history), wanted, ("waiting", "done", "undone", "rolled back", "started"))
        if journey is None or journey.state != "waiting":
            return ChangeResult("undo", done=False)
        left = journey.left_alone(machine.clock.now())
        with contextlib.suppress(HostError):
            machine.history.save(left.record())
        try:
            changes = take_back(machine, journey)
        except NatfixError:
            # Somebody may be locked out: a file that cannot be changed must not keep the rules from going back.
            take_back(machine, replace(journey, files=()))
            raise
        machine.history.save(left.in_state("rolled back").record())
    return ChangeResult("undo", done=True, changes=changes, notes=(LEFT_ALONE,))


def confirm(machine: Machine, *, same_session: bool = False) -> Journey:
    """Keep the change that waits for its confirmation.

    Args:
        machine: the host.
        same_session: accept it from the login that made the change, which proves nothing about new logins.

    Raises:
        UsageError: nothing waits, or this is the login the change was made from.
    """
    with machine.turnstile.hold():
        journey = find(journeys(machine.history), None, ("waiting",))
        if journey is None:
            raise UsageError("no change waits for a confirmation", hint="See all changes with: natfix history")
        if not same_session and journey.session == machine.watchdog.session():
            raise UsageError(
                "this is the login the change was made from, which may live on although no new one would",
                hint="Confirm from a new login; or insist: natfix confirm --same-session",
            )
        # The rules may have gone back already where a file could not: natfix shall correct them again then.
        journey = replace(journey, state="done", left=(), ended=None)
        machine.history.save(journey.record())
    return journey


@dataclass(frozen=True, slots=True)
class _TableBack:
    """One nat table now, and as it shall be again."""

    store: RulesetStore
    now: Ruleset
    before: Ruleset
    script: str

    def change(self) -> Change:
        return Change(str(self.store.backend), ruleset_diff(self.now, self.before), self.script)


@dataclass(frozen=True, slots=True)
class _FileBack:
    """One file now, and as it shall be again."""

    change: FileChange
    now: bytes
    before: bytes | None

    def as_change(self) -> Change:
        return Change(self.change.path, text_diff(self.now, self.before, self.change.path))


def take_back(
    machine: Machine, journey: Journey, *, dry_run: bool = False, unproved: list[str] | None = None
) -> tuple[Change, ...]:
    """Bring kernel and files back to before *journey*, as far as it is still there.

    Args:
        machine: the host.
        journey: what to take back.
        dry_run: only tell what would be done.
        unproved: gets in words what could not be rehearsed.
    """
    tables = tuple(_tables_back(machine.stores, journey))
    files = tuple(_files_back(machine, journey))
    guard = _guard_back(machine, journey)
    said: list[str] = []
    if not dry_run:
        said = _rehearse(machine, tables, files)
        _carry_out(machine, tables, files)
        machine.guard.put(guard)
    if unproved is not None:
        unproved += dict.fromkeys(each for each in said if each)
    return (*(table.change() for table in tables), *(file.as_change() for file in files), *guard_changes(guard))


def _rehearse(machine: Machine, tables: Iterable[_TableBack], files: Iterable[_FileBack]) -> list[str]:
    """Try everything where it does no harm; give in words what could not be tried."""
    loaded = ((file.change.family, file.before) for file in files)
    return [
        *(table.store.rehearse(table.script) for table in tables),
        *(machine.saved.validate(family, data) for family, data in loaded if family is not None and data is not None),
    ]


def guard_changes(change: GuardChange) -> tuple[Change, ...]:
    """A change of the guard for the report, one for each of its tables."""
    return tuple(Change(table_name(family), change.diff_of(family), change.script_of(family)) for family in change.families)


def _guard_back(machine: Machine, journey: Journey) -> GuardChange:
    """What of the guard becomes as it was before *journey*; nothing when that is not about the guard.

    Raises:
        UsageError: the guard was changed again since, and that change is not taken back yet.
    """
    if journey.guard is None:
        return GuardChange()
    for later in reversed(journeys(machine.history)):
        if later.guard is not None and later.id > journey.id and later.state in UNDOABLE:
            raise UsageError(f"the guard was changed again by {later.id}", hint=f"Take that back first: natfix undo {later.id}")
    return journey.guard.back(machine.guard.read())


def _carry_out(machine: Machine, tables: Iterable[_TableBack], files: Sequence[_FileBack]) -> None:
    """Change the files first, as a disk refuses more often than a kernel; on an error they become what they were."""
    try:
        for file in files:
            _put(machine, file.change.path, file.before)
        for table in tables:
            table.store.commit(table.script)
    except BaseException:
        for file in files:
            with contextlib.suppress(NatfixError):
                _put(machine, file.change.path, file.now)
        raise


def _put(machine: Machine, path: str, data: bytes | None) -> None:
    if data is None:
        machine.files.remove(path)
    else:
        machine.files.replace(path, data)


def _clear_up(machine: Machine, journey: Journey) -> None:
    """Write the files of a change during which natfix was killed as they are: that removes what it left beside them."""
    if journey.state == "started":
        for change in journey.files:
            _put(machine, change.path, machine.files.read(change.path))


def _tables_back(stores: Iterable[RulesetStore], journey: Journey) -> Iterator[_TableBack]:
    for store in stores:
        plans = [change.plan for change in reversed(journey.tables) if change.backend == store.backend]
        back = _table_back(store, plans) if plans else None
        if back is not None and back.script:
            yield back


def _table_back(store: RulesetStore, plans: Iterable[Plan]) -> _TableBack:
    """Undo one plan after the other, the newest first, in one transaction."""
    now = before = store.read()
    lines: list[str] = []
    for plan in plans:
        table = before.table("nat", store.backend.family)
        assert table is not None, "a store always gives its nat table"  # noqa: S101
        way_back = inverse(plan, table)
        if way_back:
            lines += compile_script(way_back, table).split("\n")[1:-2]
            before = rewrite(before, table, way_back)
    return _TableBack(store, now, before, "\n".join(["*nat", *lines, "COMMIT", ""]) if lines else "")


def _files_back(machine: Machine, journey: Journey) -> Iterator[_FileBack]:
    for change in journey.files:
        now = machine.files.read(change.path)
        if now is None or now == change.before:
            continue
        before = change.before
        if now != change.after:
            before = _without(change, now)
        if before != now:
            yield _FileBack(change, now, before)


def _without(change: FileChange, now: bytes) -> bytes:
    """The file, which others have changed since, without what natfix wrote into it."""
    if change.family is not None:
        return take_from(now, change.path, change.family, change.before, change.after)
    from natfix.plan.daemon_json import undo_options  # noqa: PLC0415  (brings json, which most changes need not)

    return undo_options(now, change.before, change.after, change.path)
