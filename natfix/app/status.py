"""What holds on this host now."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.app.check import Looked
from natfix.app.guard import look as look_at_guard
from natfix.app.machine import Machine
from natfix.app.planning import Wishes, plan_change
from natfix.app.record import journeys
from natfix.app.undone import undone_of
from natfix.app.watch_state import read_watcher
from natfix.audit.guard import table_name
from natfix.report.changes import PlaceStatus, Status
from natfix.report.guard import meaning


def look(machine: Machine, wishes: Wishes) -> Status:
    """Tell whether kernel and files are as natfix wants them, and what it did last.

    Raises:
        NatfixError: as for a preview of a change.
    """
    planned = plan_change(machine, wishes)
    changing = {change.place for change in planned.changes}
    tables = [_place(str(table.store.backend), table.looked) for table in planned.tables]
    native = [_place(each.checked.source, each) for each in planned.native]
    files = [
        PlaceStatus(path, None, right=path not in changing)
        for path in dict.fromkeys((*machine.saved.paths().values(), *(file.path for file in planned.files)))
    ]
    known = journeys(machine.history)
    past = [journey.past() for journey in known]
    return Status(
        places=(*tables, *native, *files, *_guard(machine, wishes)),
        clusters=planned.clusters,
        last=past[-1] if past else None,
        waiting=tuple(each for each in past if each.state in {"waiting", "started"}),
        notes=planned.notes,
        watcher=read_watcher(machine.files),
        left=undone_of(known).told,
    )


def _place(name: str, looked: Looked) -> PlaceStatus:
    """How one nat table is; what the guard makes harmless does not count."""
    exposed = sum(not finding.shielded_by for finding in looked.checked.findings)
    return PlaceStatus(name, exposed, right=not exposed)


def _guard(machine: Machine, wishes: Wishes) -> Iterator[PlaceStatus]:
    """How the guard is; a table that is not there and that nobody wants is not worth a word."""
    for table in look_at_guard(machine, wishes.clusters).tables:
        if table.condition != "off":
            yield PlaceStatus(table_name(table.family), None, table.condition == "on", meaning(table.condition))
