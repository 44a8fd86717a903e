"""Take natfix's own changes back, confirm them, and tell what was changed when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from natfix.app.machine import Machine
from natfix.app.ports import RulesetStore
from natfix.app.record import UNDOABLE, FileChange, Journey, TableChange, find, fingerprint, journeys
from natfix.errors import UsageError
from natfix.plan import compile_script, inverse, rewrite, ruleset_diff, text_diff
from natfix.report.changes import Change, ChangeResult
from natfix.ruleset import parse, render, same_meaning


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
        changes = take_back(machine, journey, dry_run=dry_run)
        if not dry_run:
            machine.history.save(journey.in_state("undone").record())
    note = () if changes else (f"the change {journey.id} had already gone from kernel and files",)
    return ChangeResult("undo", done=not dry_run, changes=changes, notes=note)


def undo_unconfirmed(machine: Machine, wanted: str) -> ChangeResult:
    """Take back the change *wanted* if it still waits for its confirmation; what the watchdog does when the time is over."""
    with machine.turnstile.hold():
        journey = find(journeys(machine.history), wanted, ("waiting", "done", "undone", "rolled back", "started"))
        if journey is None or journey.state != "waiting":
            return ChangeResult("undo", done=False)
        changes = take_back(machine, journey)
        machine.history.save(journey.in_state("rolled back").record())
    return ChangeResult("undo", done=True, changes=changes)


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
        journey = replace(journey, state="done")
        machine.history.save(journey.record())
    return journey


def take_back(machine: Machine, journey: Journey, *, dry_run: bool = False) -> tuple[Change, ...]:
    """Bring kernel and files back to before *journey*, as far as it is still there."""
    stores = {store.backend: store for store in machine.stores}
    changes: list[Change] = []
    for table in reversed(journey.tables):
        store = stores.get(table.backend)
        if store is not None:
            changes.extend(_table_back(store, table, dry_run=dry_run))
    for file in reversed(journey.files):
        changes.extend(_file_back(machine, file, journey, dry_run=dry_run))
    return tuple(changes)


def _table_back(store: RulesetStore, change: TableChange, *, dry_run: bool) -> Iterator[Change]:
    ruleset = store.read()
    table = ruleset.table("nat", store.backend.family)
    assert table is not None, "a store always gives its nat table"  # noqa: S101
    plan = inverse(change.plan, table)
    if plan:
        script = compile_script(plan, table)
        if not dry_run:
            store.rehearse(script)
            store.commit(script)
        yield Change(str(store.backend), ruleset_diff(ruleset, rewrite(ruleset, table, plan)), script)


def _file_back(machine: Machine, change: FileChange, journey: Journey, *, dry_run: bool) -> Iterator[Change]:
    now = machine.files.read(change.path)
    if now is None or now == change.before:
        return
    before = change.before if fingerprint(now) == change.after else _without(now, change, journey)
    if before == now:
        return
    if not dry_run:
        if before is None:
            machine.files.remove(change.path)
        else:
            machine.saved.validate(change.family, before)
            machine.files.replace(change.path, before)
    yield Change(change.path, text_diff(now, before, change.path))


def _without(now: bytes, change: FileChange, journey: Journey) -> bytes:
    """The file as somebody has changed it since, without natfix's own rules."""
    ruleset = parse(now, change.path, change.family)
    for each in journey.tables:
        table = ruleset.table("nat", change.family)
        if each.backend.family is change.family and table is not None:
            ruleset = rewrite(ruleset, table, inverse(each.plan, table, same=same_meaning), same=same_meaning, add=True)
    return render(ruleset)
