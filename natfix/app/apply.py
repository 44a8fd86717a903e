"""Correct the running rules and the saved files: one read, one record, one transaction each, one look back.

The order, and why: everything is planned and rehearsed first; then the record is written, so that whatever happens later can
be undone; then the files, because a disk refuses more often than a kernel; then the kernel; then natfix reads back what is
there. An error on the way takes back what was done before it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

from natfix.app.change_ports import Rewritten
from natfix.app.machine import Machine
from natfix.app.planning import Planned, PlannedTable, Wishes, plan_change
from natfix.app.record import FileChange, Journey, TableChange, journeys, new_id
from natfix.app.retention import prune
from natfix.app.undo import take_back
from natfix.app.undone import resume
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
            _settle(machine, wishes)
            return replace(_result(planned, verb), notes=(*planned.notes, *_resume(machine, wishes)))
        unproved = _rehearse(machine, planned)
        course = _Course(machine, wishes, _begin(machine, planned, wishes, verb))
        try:
            course.run(planned)
        except BaseException as error:
            course.take_back(error)
            raise
        _settle(machine, wishes)
        result = replace(
            _result(planned, verb),
            done=True,
            id=course.journey.id,
            confirm_within=wishes.confirm,
            notes=(*planned.notes, *unproved, *_resume(machine, wishes)),
            unproved=unproved,
        )
        return result if wishes.keep_connections else _forget_connections(machine, planned, result)


def _settle(machine: Machine, wishes: Wishes) -> None:
    """Note that changes during which natfix was killed are whole now, to be undone like any other; give up old records.

    Nobody is at work on them: this natfix holds the turnstile. What cannot be done now is done the next time.
    """
    with contextlib.suppress(HostError):
        for journey in journeys(machine.history):
            if journey.state == "started":
                machine.history.save(journey.in_state("done").record())
        prune(machine.history, wishes.keep_records)


def _resume(machine: Machine, wishes: Wishes) -> tuple[str, ...]:
    """When this is a person's word, it ends what an undo before it had natfix leave alone."""
    if wishes.leave_undone:
        return ()
    saved = machine.saved.paths().values() if wishes.file is None else (wishes.file,)
    return resume(machine, kernel=wishes.kernel, files=saved if wishes.persist else ())


class _Course:
    """A change on its way: what is written down of it is never less than what was done.

    Args:
        machine: the host.
        wishes: what the user wants.
        journey: what will be done first.
    """

    def __init__(self, machine: Machine, wishes: Wishes, journey: Journey) -> None:
        self.machine = machine
        self.wishes = wishes
        self.journey = journey

    def run(self, planned: Planned) -> None:
        """Make the change, in the order told above."""
        self._note(self.journey)
        if self.wishes.confirm:
            self.machine.watchdog.arm(self.journey.id, self.wishes.confirm)
        for file in planned.files:
            self.machine.files.replace(file.path, file.after)
        self._commit(planned)
        self._note(self.journey.in_state("waiting" if self.wishes.confirm else "done"))

    def take_back(self, error: BaseException) -> None:
        """Undo what was done before *error*; should that fail too, both are told."""
        try:
            take_back(self.machine, self.journey)
        except NatfixError as second:
            raise RolledBackError(
                f"{error}\nand taking the change back failed as well: {second}", hint=f"Try: natfix undo {self.journey.id}"
            ) from error
        # A disk that refused the record before refuses it again; there is nothing left to undo then.
        with contextlib.suppress(NatfixError):
            self._note(self.journey.in_state("rolled back"))

    def _note(self, journey: Journey) -> None:
        self.journey = journey
        self.machine.history.save(journey.record())

    def _commit(self, planned: Planned) -> None:
        """Commit, look back, and go on as long as somebody else's change in between leaves something to do."""
        conflict: ConflictError | None = None
        for _ in range(_ATTEMPTS):
            conflict = self._commit_tables([table for table in planned.tables if table.plan])
            planned = plan_change(self.machine, replace(self.wishes, persist=False))
            if not planned:
                return
            self._note(replace(self.journey, tables=(*self.journey.tables, *_table_changes(planned))))
        raise conflict or RolledBackError(
            f"after {_ATTEMPTS} corrections there are still rules to correct; somebody keeps putting them back",
            hint="See who: journalctl -f while you try again; natfix check shows the rules.",
        )

    def _commit_tables(self, tables: Sequence[PlannedTable]) -> ConflictError | None:
        """Commit one table after the other; give the conflict that stopped it, with what was not done struck out."""
        for done, table in enumerate(tables):
            try:
                table.store.commit(table.script)
            except ConflictError as conflict:
                left = len(tables) - done
                self.journey = replace(self.journey, tables=self.journey.tables[:-left])
                return conflict
        return None


def _result(planned: Planned, verb: str) -> ChangeResult:
    return ChangeResult(
        verb=verb,
        done=False,
        changes=planned.changes,
        clusters=planned.clusters,
        remaining=planned.remaining,
        notes=planned.notes,
        left=planned.left,
    )


def _rehearse(machine: Machine, planned: Planned) -> tuple[str, ...]:
    """Try everything where it does no harm; give in words what could not be tried."""
    said = [table.store.rehearse(table.script) for table in planned.tables if table.plan]
    said += [machine.saved.validate(file.family, file.after) for file in planned.files]
    return tuple(dict.fromkeys(each for each in said if each))


def _begin(machine: Machine, planned: Planned, wishes: Wishes, verb: str) -> Journey:
    """The change that will be made, to be written down."""
    now = machine.clock.now()
    return Journey(
        id=new_id(machine.history, now),
        verb=verb,
        at=now,
        state="waiting" if wishes.confirm else "started",
        tables=_table_changes(planned),
        files=tuple(FileChange(each.path, each.family, each.before, each.after) for each in planned.files),
        session=machine.watchdog.session() if wishes.confirm else "",
    )


def _table_changes(planned: Planned) -> tuple[TableChange, ...]:
    return tuple(TableChange(table.store.backend, table.plan) for table in planned.tables if table.plan)


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
