"""What holds on this host now."""

from __future__ import annotations

from natfix.app.machine import Machine
from natfix.app.planning import Wishes, plan_change
from natfix.app.record import journeys
from natfix.report.changes import PlaceStatus, Status


def look(machine: Machine, wishes: Wishes) -> Status:
    """Tell whether kernel and files are as natfix wants them, and what it did last.

    Raises:
        NatfixError: as for a preview of a change.
    """
    planned = plan_change(machine, wishes)
    changing = {change.place for change in planned.changes}
    tables = [
        PlaceStatus(str(table.store.backend), len(table.looked.checked.findings), right=not table.looked.checked.findings)
        for table in planned.tables
    ]
    files = [
        PlaceStatus(path, None, right=path not in changing)
        for path in dict.fromkeys((*machine.saved.paths().values(), *(file.path for file in planned.files)))
    ]
    past = [journey.past() for journey in journeys(machine.history)]
    return Status(
        places=(*tables, *files),
        clusters=planned.clusters,
        last=past[-1] if past else None,
        waiting=tuple(each for each in past if each.state in {"waiting", "started"}),
        notes=planned.notes,
    )
