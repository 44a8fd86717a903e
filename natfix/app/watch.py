"""Keep the host right: hear of a change, look, correct, look again, tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from natfix.app.ledger import Audience, Ledger
from natfix.app.machine import Machine
from natfix.app.pursuit import Field, Pursuit, Situation
from natfix.app.vigil import Vigil
from natfix.app.watch_ports import ChangeEvents, Event, WatchedTables
from natfix.errors import BusyError, NatfixError, RolledBackError

_RETRY_SECONDS: Final = 0.1
_LONGEST_RETRY: Final = 1.0
_BUSY_TIMES: Final = 5
_REMEMBERED: Final = 100


@dataclass(frozen=True, slots=True)
class Post:
    """Everything the watcher needs of the machine.

    Attributes:
        machine: the ports of any change.
        tables: the nat tables.
        events: what happens.
        audience: whom to tell.
        situate: reads the settings and finds the clusters; raises NatfixError.
        monotonic: seconds of the clock that the events have their times from.
        pid: of this process.
    """

    machine: Machine
    tables: WatchedTables
    events: ChangeEvents
    audience: Audience
    situate: Callable[[], Situation]
    monotonic: Callable[[], float]
    pid: int


class Watch:
    """One watcher.

    Args:
        post: the machine.

    Raises:
        NatfixError: the settings are wrong.
    """

    def __init__(self, post: Post) -> None:
        situation = post.situate()
        self._post = post
        self._notifier = post.audience.notifier
        self._ledger = Ledger(post.audience, post.pid)
        self._vigil = Vigil(situation.patience, post.monotonic())
        field = Field(post.machine, post.tables, self._drain, post.monotonic)
        self._pursuit = Pursuit(field, situation, self._vigil, self._ledger)
        self._pending: tuple[Event, ...] = ()
        self._stopped = False
        self._reload = False
        self._busy = 0

    def run(self) -> None:
        """Watch until somebody says stop."""
        self._ledger.started()
        self._look((), slow=True)
        self._notifier.ready(self._ledger.summary)
        while not self._stopped:
            self._hear(self._post.events.wait(self._sleep()))
        self._notifier.stopping()
        self._ledger.stopped()

    def _sleep(self) -> float:
        patience = self._notifier.patience
        sleep = self._vigil.sleep(self._post.monotonic())
        return sleep if patience is None else min(sleep, patience / 2)

    def _hear(self, events: Sequence[Event]) -> None:
        """Do what *events* ask for, or what the time asks for."""
        rules = self._obey(events)
        if rules:
            self._vigil.heard()
            self._remember(rules)
        if self._reload and not self._stopped:
            self._reload = False
            self._read_settings()
        now = self._post.monotonic()
        slow = self._vigil.slow_due(now)
        if not self._stopped and (slow or self._vigil.due(now)):
            pending, self._pending = self._pending, ()
            self._look(pending, slow=slow)
        self._notifier.alive()

    def _remember(self, events: Sequence[Event]) -> None:
        """Keep events for the next look: the first one, since when something may be wrong, and the newest ones."""
        first, *others = (*self._pending, *events)
        self._pending = (first, *others[-_REMEMBERED:])

    def _drain(self) -> Sequence[Event]:
        return self._obey(self._post.events.drain())

    def _obey(self, events: Iterable[Event]) -> tuple[Event, ...]:
        """Note what the user asks for, to be done when the rules are right; give the other events."""
        rest = []
        for event in events:
            if event.reason == "stop":
                self._stopped = True
            elif event.reason == "reload":
                self._reload = True
            else:
                rest.append(event)
        return tuple(rest)

    def _read_settings(self) -> None:
        """Read the settings again; keep the old ones when the new ones are wrong."""
        self._notifier.reloading()
        try:
            self._pursuit.adopt(self._post.situate())
        except NatfixError as error:
            self._ledger.kept(error)
        else:
            self._ledger.reloaded()
            self._look((), slow=True)
        self._notifier.ready(self._ledger.summary)

    def _look(self, events: Sequence[Event], *, slow: bool = False) -> None:
        """Look and correct; what is in the way is told, and tried again later."""
        try:
            self._look_around(events, slow=slow)
            self._pursuit.pursue(events, slow=slow)
        except (BusyError, RolledBackError) as error:
            # While many write at once that is normal for a moment.
            self._busy += 1
            if self._busy >= _BUSY_TIMES:
                self._ledger.refuse(error)
            now = self._post.monotonic()
            self._vigil.hold_off(now, min(_RETRY_SECONDS * self._busy, _LONGEST_RETRY))
            # The next look is about the same, and about what was drained meanwhile, which may be of any variant.
            self._remember((Event("commit", min((event.at for event in events), default=now)), *events))
        except NatfixError as error:
            now = self._post.monotonic()
            self._ledger.refuse(error)
            self._vigil.looked(now, now, slow=slow)
        else:
            self._busy = 0
            self._ledger.finished()
        self._ledger.report()

    def _look_around(self, events: Sequence[Event], *, slow: bool) -> None:
        """Before the look: find out what nobody said, see what was lost, end old fights."""
        for variant in {event.variant for event in events if event.reason == "overrun"}:
            self._ledger.lost(variant or "the host")
        if self._ledger.refused:
            self._pursuit.doubt()
        hinted = any(event.reason == "hint" for event in events)
        if hinted or (slow and not self._pursuit.situation.settled):
            situation = self._post.situate()
            if situation != self._pursuit.situation:
                self._pursuit.adopt(situation)
        if slow:
            for fight in self._vigil.calmed(self._post.monotonic()):
                self._ledger.calm(fight)
