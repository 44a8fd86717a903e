"""A history that a full disk does not stop: what it refuses is kept in memory, and written as soon as it can be.

Only the watcher uses it. A change is recorded before it is made, so that it can be undone; but while the disk is full, a pod's
address would stay hidden for the sake of a record. So the watcher corrects, says what it owes, and writes it later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from natfix.app.change_ports import History, Record, Turnstile
from natfix.errors import HostError


class OwedHistory(History):
    """The history of this host, with what it lacks.

    Args:
        history: what is on the disk.

    Attributes:
        refusal: why the disk lacks something; None when it lacks nothing.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._owed: dict[str, Record] = {}
        self.refusal: HostError | None = None

    def records(self) -> Sequence[Record]:
        """All of them, sorted by id; what is owed as it should be."""
        known = {record.id: record for record in self._history.records()}
        for record in self._owed.values():
            fit = _fitting(record, known)
            if fit is not None:
                known[fit.id] = fit
        return tuple(known[id_] for id_ in sorted(known))

    def save(self, record: Record) -> None:
        """Store a record, or owe it."""
        try:
            self._history.save(record)
        except HostError as error:
            self._owed[record.id], self.refusal = record, error
        else:
            self._owed.pop(record.id, None)

    def remove(self, id_: str) -> None:
        """Give up a record."""
        self._owed.pop(id_, None)
        self._history.remove(id_)

    def stamp(self) -> object | None:
        """Something that is another one after each change of what is on the disk."""
        return self._history.stamp()

    def settle(self, turnstile: Turnstile) -> None:
        """Write what is owed.

        Raises:
            BusyError: another natfix is at work.
            HostError: the disk still refuses.
        """
        if not self._owed:
            return
        with turnstile.hold():
            known = {record.id: record for record in self._history.records()}
            for id_, record in tuple(self._owed.items()):
                fit = _fitting(record, known)
                if fit is not None:
                    self._history.save(fit)
                del self._owed[id_]
        self.refusal = None


def _fitting(record: Record, known: Mapping[str, Record]) -> Record | None:
    """The record as it goes beside those that others have written meanwhile; None when others went on with this change."""
    there = known.get(record.id)
    if there is None:
        return record
    if there.data["at"] == record.data["at"]:
        return record if there.data["state"] == "started" and not there.data["left"] else None
    # Another natfix gave its change the same name, which it could not see here.
    stamp, _, number = record.id.rpartition("-")
    return _fitting(replace(record, id=f"{stamp}-{int(number) + 1}"), known)
