"""What natfix writes down of a change before it makes it, so that it can be undone whatever happens in between."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from natfix._version import __version__
from natfix.app.change_ports import History, Record
from natfix.app.ports import Backend, Variant
from natfix.audit.guard import table_name
from natfix.errors import HostError, UsageError
from natfix.plan import Plan
from natfix.plan.guard import GuardChange
from natfix.report.changes import PastChange
from natfix.ruleset import Family

State: TypeAlias = Literal["started", "waiting", "done", "undone", "rolled back"]
UNDOABLE: tuple[State, ...] = ("started", "waiting", "done")


@dataclass(frozen=True, slots=True)
class TableChange:
    """What was planned for one nat table."""

    backend: Backend
    plan: Plan


@dataclass(frozen=True, slots=True)
class FileChange:
    """What one file was and became.

    Attributes:
        path: the file.
        family: the family of the ruleset in it; None for Docker's daemon.json.
        before: its bytes; None when there was none.
        after: what natfix wrote.
    """

    path: str
    family: Family | None
    before: bytes | None
    after: bytes


@dataclass(frozen=True, slots=True)
class Journey:
    """One change, from the moment it was planned.

    Attributes:
        id: names it.
        verb: ``apply``, ``persist``, ``guard``, ``unguard``, ``watch``, ``advise`` or ``node``.
        at: when it was begun.
        state: how far it came.
        tables: the nat tables it changes.
        files: the files it changes.
        session: the login it was made from, when it waits for a confirmation.
        version: the natfix that made it.
        guard: what it changes of the guard; None for a change that is not about it.
        left: the backends and files that natfix leaves alone by itself since a person undid this change in them.
        ended: when that was; None when nobody did.
    """

    id: str
    verb: str
    at: datetime
    state: State = "started"
    tables: tuple[TableChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    session: str = ""
    version: str = __version__
    guard: GuardChange | None = None
    left: tuple[str, ...] = ()
    ended: datetime | None = None

    def in_state(self, state: State) -> Journey:
        """The same change, further on."""
        return replace(self, state=state)

    def left_alone(self, now: datetime) -> Journey:
        """The same change, which a person undoes *now*: all of it that natfix would do again by itself is to be left alone."""
        files = (each.path for each in self.files if each.family is not None)
        return replace(self, left=(*dict.fromkeys(str(each.backend) for each in self.tables), *files), ended=now)

    @property
    def places(self) -> tuple[str, ...]:
        """The backends, files and tables of the guard it changes."""
        guards = map(table_name, self.guard.families) if self.guard else ()
        return (*dict.fromkeys(str(each.backend) for each in self.tables), *(each.path for each in self.files), *guards)

    def past(self) -> PastChange:
        """It as an entry of the history for people."""
        at = self.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return PastChange(self.id, at, self.version, self.verb, self.state, self.places)

    def record(self) -> Record:
        """It as the history stores it."""
        return Record(
            self.id,
            {
                "verb": self.verb,
                "at": self.at.isoformat(),
                "state": self.state,
                "version": self.version,
                "session": self.session,
                "tables": [
                    {"family": int(each.backend.family), "variant": each.backend.variant, "plan": each.plan.to_json()}
                    for each in self.tables
                ],
                "files": [
                    {
                        "path": each.path,
                        "family": None if each.family is None else int(each.family),
                        "before": None if each.before is None else b64encode(each.before).decode(),
                        "after": b64encode(each.after).decode(),
                    }
                    for each in self.files
                ],
                "guard": None if self.guard is None else self.guard.to_json(),
                "left": list(self.left),
                "ended": None if self.ended is None else self.ended.isoformat(),
            },
        )

    @classmethod
    def read(cls, record: Record) -> Journey:
        """Read what record() wrote.

        Raises:
            HostError: the record is something else.
        """
        data = record.data
        try:
            return cls(
                id=record.id,
                verb=data["verb"],
                at=datetime.fromisoformat(data["at"]),
                state=data["state"],
                tables=tuple(_table(each) for each in data["tables"]),
                files=tuple(_file(each) for each in data["files"]),
                session=data["session"],
                version=data["version"],
                guard=_guard(data.get("guard")),
                # natfix did not write these two at first.
                left=tuple(data.get("left", ())),
                ended=datetime.fromisoformat(ended) if (ended := data.get("ended")) else None,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise HostError(
                f"the record {record.id} of the history cannot be read: {error!r}",
                hint="It was written by another version, or by hand; the newest natfix reads all older records.",
            ) from error


def _table(data: dict[str, Any]) -> TableChange:
    variant: Variant = data["variant"]
    return TableChange(Backend(Family(data["family"]), variant), Plan.from_json(data["plan"]))


def _file(data: dict[str, Any]) -> FileChange:
    before, number = data["before"], data["family"]
    return FileChange(
        path=data["path"],
        family=None if number is None else Family(number),
        before=None if before is None else b64decode(before),
        after=b64decode(data["after"]),
    )


def _guard(data: dict[str, Any] | None) -> GuardChange | None:
    """What a record says of the guard, which natfix did not have at first."""
    return None if data is None else GuardChange.from_json(data)


def journeys(history: History) -> tuple[Journey, ...]:
    """Every change, oldest first."""
    return tuple(Journey.read(record) for record in history.records())


def new_id(history: History, now: datetime) -> str:
    """A name for a change begun *now*: sortable, and not taken yet."""
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    # Not their number: the oldest of this second may have been given up.
    taken = (int(record.id.rpartition("-")[2]) for record in history.records() if record.id.startswith(f"{stamp}-"))
    return f"{stamp}-{max(taken, default=0) + 1}"


def find(known: Sequence[Journey], wanted: str | None, states: Sequence[State]) -> Journey | None:
    """The change *wanted*, or the newest that is in one of *states*.

    Raises:
        UsageError: there is no change of that name, or it is in none of *states*.
    """
    if wanted is None:
        return next((each for each in reversed(known) if each.state in states), None)
    for each in known:
        if each.id == wanted:
            if each.state not in states:
                raise UsageError(f"the change {wanted} is {each.state}", hint="See all changes with: natfix history")
            return each
    raise UsageError(f"there is no change {wanted}", hint="See all changes with: natfix history")
