"""Look at the nat tables, correct them, and look again until there is nothing left to correct.

The rule that makes natfix's own writes wake nobody and loses nothing: *drain the events, then look*. What came before the look
is in the rules that are looked at; what comes after it is an event that is still there.

A correction that natfix has not made since it was started goes the whole way of ``natfix apply``: rehearsal, record, commit, a
look back. One whose words are rehearsed and recorded is committed at once, because a pod's address is hidden until then.

What a person has undone is left alone (natfix/app/undone.py). The history says what that is, and is asked once more when the
turnstile is held: whoever undoes something writes that down before the kernel hears of it, and holds the turnstile meanwhile.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from natfix.app.apply import apply_change
from natfix.app.change_ports import Rewritten
from natfix.app.check import UNKNOWN_CLUSTER_HINT
from natfix.app.guard import begin, ensure, remembered
from natfix.app.judgement import Correction, Judge, Verdict
from natfix.app.ledger import Done, Ledger
from natfix.app.machine import Machine
from natfix.app.owed import OwedHistory
from natfix.app.planning import Wishes
from natfix.app.ports import Backend, Variant
from natfix.app.undone import Reminder
from natfix.app.vigil import Patience, Vigil
from natfix.app.watch_ports import Event, WatchedStore, WatchedTables
from natfix.errors import BusyError, ConflictError, HostError, NatfixError, RolledBackError, UnsupportedError, UsageError
from natfix.ruleset import Ruleset, Table

VERB: Final = "watch"
_ATTEMPTS: Final = 3
_TURNED_OFF: Final = "somebody turned the guard off, and so it stays off; turn it on with: natfix guard on"
_VARIANTS: Final[frozenset[Variant]] = frozenset({"nft", "legacy"})


@dataclass(frozen=True, slots=True)
class Situation:
    """What decides about the rules of this host, read anew when the settings are.

    Attributes:
        wishes: clusters, audit rules, what to save.
        patience: how the watcher treats time.
        settled: whether somebody told the clusters; else they are looked for again from time to time.
        guard: whether the guard shall be turned on as soon as it can be, unless somebody has turned it off.
    """

    wishes: Wishes
    patience: Patience = field(default_factory=Patience)
    settled: bool = True
    guard: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """The part of the machine that is looked at and changed.

    Attributes:
        machine: the ports of any change; its stores are not used, for new ones can appear.
        tables: the nat tables.
        drain: gives the events since, without waiting.
        monotonic: seconds of the clock that the events have their times from.
    """

    machine: Machine
    tables: WatchedTables
    drain: Callable[[], Sequence[Event]]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class _View:
    """One nat table as it was looked at, what had happened to it, and when natfix heard of that."""

    store: WatchedStore
    ruleset: Ruleset
    table: Table
    verdict: Verdict
    wanted: tuple[Correction, ...]
    events: tuple[Event, ...]
    began: float


class Pursuit:
    """Brings the host to what the situation wants.

    Args:
        field: the machine.
        situation: what is wanted.
        vigil: says what must wait.
        ledger: is told.
    """

    def __init__(self, field: Field, situation: Situation, vigil: Vigil, ledger: Ledger) -> None:
        self._field = field
        self._vigil = vigil
        self._ledger = ledger
        self._situation = situation
        self._judge = Judge(field.machine.links, situation.wishes)
        self._history = OwedHistory(field.machine.history)
        self._reminder = Reminder(self._history)
        self._rehearsed: set[object] = set()
        self._settled: dict[Backend, tuple[int, object]] = {}
        # For each rule that is wrong when natfix heard of it first: a correction may have to wait, or to be tried again.
        self._heard: dict[Backend, dict[str, float]] = {}
        self._unsaved = situation.wishes.persist
        self._guarded = False
        self._undecided = situation.guard

    @property
    def situation(self) -> Situation:
        """What is wanted."""
        return self._situation

    def adopt(self, situation: Situation) -> None:
        """Want something else from now on."""
        if situation.wishes != self._situation.wishes:
            self._judge = Judge(self._field.machine.links, situation.wishes)
            self._rehearsed.clear()
            self._unsaved = situation.wishes.persist
        self._undecided |= situation.guard and not self._guarded
        self._situation = situation
        self._vigil.patience = situation.patience
        self.doubt()

    def doubt(self) -> None:
        """Look at everything the next time, whether or not it changed."""
        self._settled.clear()

    def pursue(self, events: Sequence[Event], *, slow: bool = False) -> None:
        """Look at what *events* may have changed, correct it, and look again.

        Raises:
            NatfixError: a table could not be read or corrected.
        """
        rewritten: list[Rewritten] = []
        heard = tuple(events)
        variants = _VARIANTS if slow else variants_of(heard)
        for _ in range(_ATTEMPTS):
            start = self._field.monotonic()
            wrong = 0
            self._heed()
            # One after the other: what is wrong in the first is corrected before the second is looked at.
            for view in self._views(variants, heard, start):
                if view.wanted:
                    wrong += 1
                    self._correct(view)
                    rewritten += view.verdict.rewritten
            if not wrong:
                self._keep_guard(variants, sure=slow or not heard)
                self._vigil.looked(start, self._field.monotonic(), slow=slow)
                break
            # From here on everything that happened is in what the next look sees.
            heard = tuple(self._field.drain())
            variants |= variants_of(heard) if heard else frozenset()
        else:
            now = self._field.monotonic()
            self._vigil.looked(now, now, slow=slow)
            self._vigil.heard()
        self._clear_up(rewritten)
        if self._unsaved and (slow or rewritten):
            self._save()
        if slow or rewritten:
            self._record()

    def _heed(self) -> bool:
        """Learn what a person has undone; tell whether that is something new."""
        try:
            news = self._reminder.look()
        except NatfixError as error:
            self._ledger.remark(error, "what was undone since cannot be told, and may be corrected again")
            return False
        if news:
            self._ledger.left_alone(self._reminder.undone.told)
        return news

    def _views(self, variants: frozenset[Variant], events: Sequence[Event], start: float) -> Iterator[_View]:
        """Look at every table that may have changed."""
        for store in self._field.tables.active(variants):
            stamp, surroundings = store.stamp(), (self._judge.surroundings, self._reminder.undone)
            if stamp is not None and self._settled.get(store.backend) == (stamp, surroundings):
                continue
            view = self._view(store, events, start)
            self._ledger.found(store.backend, len(view.verdict.findings))
            self._settled.pop(store.backend, None)
            if stamp is not None and not self._heard[store.backend]:
                self._settled[store.backend] = stamp, surroundings
            yield view

    def _view(self, store: WatchedStore, events: Sequence[Event], start: float) -> _View:
        ruleset = store.read()
        table = ruleset.table("nat", store.backend.family)
        assert table is not None, "a store always gives its nat table"  # noqa: S101
        if not self._situation.wishes.clusters and any(table.places.values()):
            raise UsageError("no cluster CIDR is known, so nothing can be corrected", hint=UNKNOWN_CLUSTER_HINT)
        verdict = self._judge.verdict(store.backend, ruleset)
        backend, now = store.backend, self._field.monotonic()
        wrong = [each for each in verdict.corrections if not self._reminder.undone.holds_all(backend, each.plan)]
        mine = tuple(event for event in events if event.variant in {None, backend.variant})
        began = min((event.at for event in mine), default=start)
        known = self._heard.get(backend, {})
        self._heard[backend] = {each.kind: known.get(each.kind, began) for each in wrong}
        wanted = tuple(each for each in wrong if not self._vigil.holds(each.kind, now))
        return _View(store, ruleset, table, verdict, wanted, mine, began)

    def _correct(self, view: _View) -> None:
        """Make the corrections that one table needs."""
        change = ""
        if all(each.words in self._rehearsed for each in view.wanted):
            try:
                if not self._commit(view):
                    return  # Somebody has undone it meanwhile.
            except ConflictError:
                return  # The rule has gone meanwhile, or has become another one: the next look tells.
        else:
            change = self._apply(view)
            if not change:
                return  # As above.
        heard, now = self._heard[view.store.backend], self._field.monotonic()
        writers = [str(event.writer) for event in view.events if event.writer]
        for correction in view.wanted:
            done = Done(now - heard.pop(correction.kind, view.began), now - view.began, writers, change)
            self._rehearsed.add(correction.words)
            self._ledger.corrected(view.store.backend, correction, done)
            self._count(correction, view.events)

    def _commit(self, view: _View) -> bool:
        """Commit at once, unless somebody has undone something between the look and now; tell whether it was done."""
        script = view.verdict.transaction(view.wanted, view.ruleset, view.table)
        with self._field.machine.turnstile.hold():
            if self._heed():
                return False
            view.store.commit(script)
        return True

    def _apply(self, view: _View) -> str:
        """Go the whole way of ``natfix apply``; files come later, for a pod's address is hidden until the rules are right.

        Returns:
            The name of the change; empty when there was nothing to change any more.
        """
        machine = replace(self._field.machine, stores=(view.store,), history=self._history)
        wishes = replace(self._situation.wishes, persist=False, kernel=True, keep_connections=True, leave_undone=True)
        self._unsaved = self._situation.wishes.persist
        try:
            result = apply_change(machine, wishes, VERB)
        except RolledBackError:
            # Somebody writes faster than natfix looks. It is recorded, and counts as a round of a fight.
            for correction in view.wanted:
                self._rehearsed.add(correction.words)
                self._count(correction, view.events)
            raise
        self._ledger.unproved(result.unproved)
        return result.id

    def _record(self) -> None:
        """Tell what the disk refused to take down, and try it again."""
        with contextlib.suppress(BusyError, HostError):
            self._history.settle(self._field.machine.turnstile)
        self._ledger.owes(self._history.refusal)

    def _count(self, correction: Correction, events: Sequence[Event]) -> None:
        writers = [event.writer for event in events if event.writer]
        origins = {writer.origin for writer in writers if writer.origin}
        fight = self._vigil.corrected(correction.kind, self._field.monotonic(), origins)
        if fight is not None:
            self._ledger.fight(fight, str(writers[-1]) if writers else "", self._vigil.patience.longest_pause)
        elif correction.kind in self._vigil.fights:
            self._ledger.fighting(self._vigil.fights[correction.kind])

    def _keep_guard(self, variants: frozenset[Variant], *, sure: bool) -> None:
        """Turn the guard on where that is asked for, and put it back: `nft flush ruleset` takes it away with all the rest."""
        if not (sure or self._undecided or (self._guarded and "nft" in variants)):
            return
        machine = replace(self._field.machine, stores=tuple(self._field.tables.active()))
        keep = begin if self._situation.guard else ensure
        try:
            report = keep(machine, self._situation.wishes.clusters)
        except UsageError as error:
            # A host that starts has no bridge yet, or nobody who names the cluster; a later look will find them.
            self._ledger.unguarded(error.message)
            self._ledger.guard(wanted=True, standing=False)
            return
        except (HostError, UnsupportedError):
            wanted = self._undecided or bool(remembered(machine.history))
            self._ledger.guard(wanted=wanted, standing=False)
            raise
        self._guarded, self._undecided = report.wanted, False
        self._ledger.unguarded(_TURNED_OFF if self._situation.guard and not report.wanted else "")
        self._ledger.guard(wanted=report.wanted, standing=report.wanted and report.right)
        if report.done:
            self._ledger.guarded(report.id)
            self._ledger.unproved(report.notes)

    def _clear_up(self, rewritten: Sequence[Rewritten]) -> None:
        """Drop the connections that were made while a rule was wrong."""
        if not rewritten or self._situation.wishes.keep_connections:
            return
        try:
            self._field.machine.connections.forget(tuple(dict.fromkeys(rewritten)))
        except NatfixError as error:
            self._ledger.remark(error, "connections made meanwhile keep the node's address until they end")

    def _save(self) -> None:
        """Bring the corrections into the files that are loaded at boot; what refuses that is tried again at a slow look."""
        machine = replace(self._field.machine, stores=tuple(self._field.tables.active()))
        try:
            result = apply_change(machine, replace(self._situation.wishes, kernel=False, leave_undone=True), VERB)
        except NatfixError as error:
            self._ledger.unsaved(error)
            return
        self._unsaved = False
        self._ledger.all_saved()
        self._ledger.unproved(result.unproved)
        for change in result.changes:
            self._ledger.saved(change.place, result.id)


def variants_of(events: Sequence[Event]) -> frozenset[Variant]:
    """The backends that *events* may have changed; all of them when no event tells."""
    named = {event.variant for event in events}
    if not events or None in named or any(event.reason == "overrun" for event in events):
        return _VARIANTS
    return frozenset(variant for variant in named if variant is not None)
