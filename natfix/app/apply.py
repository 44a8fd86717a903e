"""Correct the running rules and the saved files: one read, one record, one transaction each, one look back.

The order, and why: everything is planned and rehearsed first; then the record is written, so that whatever happens later can
be undone; then the files, because a disk refuses more often than a kernel; then the kernel; then natfix reads back what is
there. An error on the way takes back what was done before it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from natfix.app.machine import Machine
from natfix.app.planning import Planned, Wishes, plan_change
from natfix.app.ports import Rewritten
from natfix.app.record import FileChange, Journey, TableChange, fingerprint, new_id
from natfix.app.undo import take_back
from natfix.errors import ConflictError, HostError, NatfixError, RolledBackError
from natfix.report.changes import ChangeResult

_ATTEMPTS = 3


def preview(machine: Machine, wishes: Wishes, verb: str = "apply") -> ChangeResult:
    """Tell exactly what apply_change would do; write nothing.

    Raises:
        NatfixError: as apply_change, as far as looking can tell.
    """
    planned = plan_change(machine, wishes)
    return _result(planned, verb)


def apply_change(machine: Machine, wishes: Wishes, verb: str = "apply") -> ChangeResult:
    """Correct what natfix corrects; nothing to do writes nothing.

    Raises:
        UsageError: the cluster is not known, or only guessed.
        HostError: the host refused; nothing is changed.
        ConflictError: somebody else keeps changing the same rules; nothing is changed.
        RolledBackError: what the kernel held afterwards was not what natfix wanted; it was taken back.
        BusyError: another natfix, or the holder of the xtables lock, is at work.
    """
    with machine.turnstile.hold():
        planned = plan_change(machine, wishes)
        if not planned:
            return _result(planned, verb)
        _rehearse(machine, planned)
        journey = _begin(machine, planned, wishes, verb)
        try:
            _write_files(machine, planned)
            journey = _commit(machine, planned, wishes, journey)
        except BaseException as error:
            _take_back(machine, journey, error)
            raise
        machine.history.save(journey.in_state("waiting" if wishes.confirm else "done").record())
        result = replace(_result(planned, verb), done=True, id=journey.id, confirm_within=wishes.confirm)
        return result if wishes.keep_connections else _forget_connections(machine, planned, result)


def _result(planned: Planned, verb: str) -> ChangeResult:
    return ChangeResult(
        verb=verb,
        done=False,
        changes=planned.changes,
        clusters=planned.clusters,
        remaining=planned.remaining,
        notes=planned.notes,
    )


def _rehearse(machine: Machine, planned: Planned) -> None:
    for table in planned.tables:
        if table.plan:
            table.store.rehearse(table.script)
    for file in planned.files:
        machine.saved.validate(file.family, file.after)


def _begin(machine: Machine, planned: Planned, wishes: Wishes, verb: str) -> Journey:
    """Write down what will be done, and see to its end if nobody confirms it."""
    now = machine.clock.now()
    journey = Journey(
        id=new_id(machine.history, now),
        verb=verb,
        at=now,
        state="waiting" if wishes.confirm else "started",
        tables=_table_changes(planned),
        files=tuple(FileChange(each.path, each.family, each.before, fingerprint(each.after)) for each in planned.files),
        session=machine.watchdog.session() if wishes.confirm else "",
    )
    machine.history.save(journey.record())
    if wishes.confirm:
        machine.watchdog.arm(journey.id, wishes.confirm)
    return journey


def _table_changes(planned: Planned) -> tuple[TableChange, ...]:
    return tuple(TableChange(table.store.backend, table.plan) for table in planned.tables if table.plan)


def _write_files(machine: Machine, planned: Planned) -> None:
    for file in planned.files:
        machine.files.replace(file.path, file.after)


def _commit(machine: Machine, planned: Planned, wishes: Wishes, journey: Journey) -> Journey:
    """Commit, look back, and go on as long as somebody else's change in between leaves something to do."""
    for attempt in range(_ATTEMPTS):
        try:
            for table in planned.tables:
                if table.plan:
                    table.store.commit(table.script)
        except ConflictError:
            if attempt + 1 == _ATTEMPTS:
                raise
        planned = plan_change(machine, replace(wishes, persist=False))
        if not planned:
            return journey
        journey = replace(journey, tables=(*journey.tables, *_table_changes(planned)))
        machine.history.save(journey.record())
    raise RolledBackError(
        f"after {_ATTEMPTS} corrections there are still rules to correct; somebody keeps putting them back",
        hint="See who: journalctl -f while you try again; natfix check shows the rules.",
    )


def _take_back(machine: Machine, journey: Journey, error: BaseException) -> None:
    """Undo what was done before *error*; should that fail too, both are told."""
    try:
        take_back(machine, journey)
    except NatfixError as second:
        raise RolledBackError(
            f"{error}\nand taking the change back failed as well: {second}", hint=f"Try: natfix undo {journey.id}"
        ) from error
    machine.history.save(journey.in_state("rolled back").record())


def _forget_connections(machine: Machine, planned: Planned, result: ChangeResult) -> ChangeResult:
    """Drop the connections that carry the old rewrite; the correction stands even when that is refused."""
    try:
        return replace(result, connections=machine.connections.forget(_rewritten(planned)))
    except HostError as error:
        note = f"connections that are open now keep the node's address until they end: {error.message}"
        return replace(result, notes=(*result.notes, note))


def _rewritten(planned: Planned) -> Iterable[Rewritten]:
    """The tracked connections that the old rules rewrote."""
    for table in planned.tables:
        if table.plan:
            subject = table.looked.subject
            for locality in subject.localities:
                for source in locality.networks:
                    yield Rewritten(source, subject.cluster, locality.networks)
