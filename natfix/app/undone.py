"""What a person has undone, and natfix leaves alone by itself: in `natfix watch`, and in `natfix restore`, which units call.

It is remembered by the history, in the records of the changes that were undone, so that a watcher that has just started knows
it. What is left alone are words: a rule of one backend and chain as it was before the change. Docker writes the same words
anew at each start, and that is still what was undone; an undo that held until the next restart of Docker would be none. A
rule of other words, such as that of another network, is another rule. A saved file was given back as a whole, and is left
alone as a whole. It ends when a person says `natfix apply`, or `natfix persist` for the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC

from natfix.app.change_ports import History
from natfix.app.machine import Machine
from natfix.app.ports import Backend
from natfix.app.record import Journey, journeys
from natfix.errors import HostError
from natfix.plan import Plan
from natfix.report.changes import LeftAlone
from natfix.ruleset import Rule


@dataclass(frozen=True, slots=True)
class Undone:
    """What is left alone.

    Attributes:
        rules: broad rules that shall stay as they are.
        chains: chains of natfix's own that shall not be completed.
        files: saved files.
        told: all that for people, in the order it was undone.
    """

    rules: frozenset[tuple[Backend, Rule]] = frozenset()
    chains: frozenset[tuple[Backend, str]] = frozenset()
    files: frozenset[str] = frozenset()
    told: tuple[LeftAlone, ...] = ()

    def holds(self, backend: Backend, rule: Rule) -> bool:
        """Whether a rule that could be corrected shall stay."""
        return (backend, rule) in self.rules or (backend, rule.chain) in self.chains

    def holds_all(self, backend: Backend, plan: Plan) -> bool:
        """Whether a plan would correct nothing but what shall stay."""
        if plan.edits:
            return all(self.holds(backend, edit.old) for edit in plan.edits)
        return all((backend, name) in self.chains for name in plan.chains)


def reminder(left: LeftAlone) -> str:
    """What a person should know who expects natfix to correct something."""
    return f"left alone, for {left.change} was undone: {left}; correct it again with: natfix apply"


def undone_of(known: Iterable[Journey]) -> Undone:
    """What is left alone because of the changes *known*."""
    since = sorted((journey for journey in known if journey.left), key=lambda each: (each.ended or each.at, each.id))
    plans = [(journey, each) for journey in since for each in journey.tables if str(each.backend) in journey.left]
    return Undone(
        rules=frozenset((each.backend, edit.old) for _, each in plans for edit in each.plan.edits),
        chains=frozenset((each.backend, name) for _, each in plans for name in each.plan.before),
        files=frozenset(place for journey in since for place in journey.left if _is_file(place)),
        told=tuple(dict.fromkeys(told for journey in since for told in _told(journey))),
    )


def _told(journey: Journey) -> Iterator[LeftAlone]:
    since = (journey.ended or journey.at).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    for each in journey.tables:
        if str(each.backend) in journey.left:
            words = (*(str(edit.old) for edit in each.plan.edits), *(f":{name}" for name in each.plan.before))
            yield from (LeftAlone(str(each.backend), rule, journey.id, since) for rule in words)
    yield from (LeftAlone(place, "", journey.id, since) for place in journey.left if _is_file(place))


def _is_file(place: str) -> bool:
    return place.startswith("/")


class Reminder:
    """Remembers what is left alone, and reads it again only when the history has changed.

    Args:
        history: where it is written.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._stamp: object | None = None
        self.undone = Undone()

    def look(self) -> bool:
        """Read again what may have changed; tell whether it did.

        Raises:
            HostError: a record cannot be read; what was known before still holds.
        """
        stamp = self._history.stamp()
        if stamp is not None and stamp == self._stamp:
            return False
        # Before it is read: what is written meanwhile is read the next time.
        before, self._stamp = self.undone, stamp
        self.undone = undone_of(journeys(self._history))
        return self.undone != before


def resume(machine: Machine, *, kernel: bool, files: Iterable[str]) -> tuple[str, ...]:
    """Leave nothing alone any more in the running rules, and in *files*: a person wants them corrected.

    Args:
        machine: the host.
        kernel: whether the running rules are meant.
        files: the saved files that are.

    Returns:
        What the person should know, in lines.
    """
    ended: list[str] = []
    meant = frozenset(files)
    for journey in journeys(machine.history):
        left = tuple(place for place in journey.left if place not in meant and (_is_file(place) or not kernel))
        if left == journey.left:
            continue
        try:
            machine.history.save(replace(journey, left=left).record())
        except HostError as error:
            return (f"natfix watch and restore go on to leave alone what {journey.id} did: {error.message}",)
        ended.append(journey.id)
    if not ended:
        return ()
    return (f"natfix watch and restore no longer leave alone what was undone ({', '.join(ended)})",)
