"""What the watcher tells: to the journal, to the service manager, to the monitoring, and to `natfix status`."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from natfix.app import metrics
from natfix.app.judgement import Correction
from natfix.app.metrics import Meter
from natfix.app.ports import Backend, Clock
from natfix.app.vigil import Fight
from natfix.app.watch_ports import Chronicle, Entry, Level, Notifier
from natfix.app.watch_state import StateFile, WatchState
from natfix.errors import NatfixError
from natfix.report.changes import LeftAlone


@dataclass(frozen=True, slots=True)
class Audience:
    """All who are told.

    Attributes:
        chronicle: the journal, or whoever reads standard output.
        notifier: the service manager.
        meter: the monitoring.
        state: what `natfix status` reads.
        clock: the time of day.
    """

    chronicle: Chronicle
    notifier: Notifier
    meter: Meter
    state: StateFile
    clock: Clock


@dataclass(frozen=True, slots=True)
class Done:
    """How a correction went.

    Attributes:
        seconds: from hearing of the wrong rule first to the end of the commit.
        look: the part of it that the last look took; the rest natfix waited, in a fight.
        writers: who changed rules just before, the last one last.
        change: names it for ``natfix undo``; empty for one that was recorded before.
    """

    seconds: float
    look: float
    writers: Sequence[str]
    change: str


class Ledger:
    """Keeps count of what the watcher does, and tells it.

    Args:
        audience: whom.
        pid: of this process.
    """

    def __init__(self, audience: Audience, pid: int) -> None:
        self._audience = audience
        self._state = WatchState(pid, self._time())
        self._findings: dict[str, int] = {}
        self._fights: dict[str, str] = {}
        self._told: set[str] = set()
        self._left: tuple[LeftAlone, ...] = ()
        self._changed = True

    @property
    def refused(self) -> bool:
        """Whether the last look could not be finished."""
        return bool(self._state.refused)

    @property
    def summary(self) -> str:
        """What holds, in a line."""
        if self._state.refused:
            return f"not right: {self._state.refused}"
        parts = [f"{sum(self._findings.values())} findings left", f"{self._state.corrections} corrections"]
        if self._fights:
            parts.append(f"{len(self._fights)} rules are put back again and again")
        if self._left:
            parts.append(f"{len(self._left)} left alone, as undone")
        if self._state.unrecorded:
            parts.append(f"not recorded: {self._state.unrecorded}")
        if self._state.unguarded:
            parts.append(f"no guard: {self._state.unguarded}")
        if self._state.unsaved:
            parts.append(f"not saved for the next boot: {self._state.unsaved}")
        return ", ".join(parts)

    def started(self) -> None:
        """The watcher begins."""
        self._settings(usable=True)
        self._tell("started", f"natfix watches this host (pid {self._state.pid})", {"pid": self._state.pid})

    def stopped(self) -> None:
        """The watcher ends."""
        with contextlib.suppress(NatfixError):
            self._audience.state.remove()
        self._tell("stopped", f"natfix stops watching; {self._state.corrections} corrections since {self._state.since}")

    def reloaded(self) -> None:
        """The settings were read again."""
        self._told.clear()
        self._settings(usable=True)
        self._tell("reloaded", "natfix has read its settings again")

    def kept(self, error: NatfixError) -> None:
        """The new settings were wrong, and the old ones are kept."""
        self._settings(usable=False)
        self._audience.meter.add(metrics.ERRORS, type(error).__name__)
        self._tell("refused", f"the settings are refused, and the old ones kept: {error.message}", _why(error), "error")

    def lost(self, variant: str) -> None:
        """Events were lost, and everything is looked at."""
        self._audience.meter.add(metrics.OVERRUNS)
        self._tell(
            "lost", f"more happened in {variant} than the kernel could tell; natfix looks at everything", level="warning"
        )

    def left_alone(self, told: Sequence[LeftAlone]) -> None:
        """Somebody has undone something, or wants it corrected again: each is told once."""
        before = {(each.place, each.rule) for each in self._left}
        after = {(each.place, each.rule) for each in told}
        for each in told:
            if (each.place, each.rule) not in before:
                self._tell(
                    "left",
                    f"natfix leaves this alone, for {each.change} was undone at {each.since}: {each}. "
                    "It is not corrected any more, whoever writes it, until somebody says: natfix apply",
                    _fields_of(each),
                    "warning",
                )
        for each in self._left:
            if (each.place, each.rule) not in after:
                self._tell("resumed", f"natfix corrects this again, as somebody wants it: {each}", _fields_of(each))
        self._left = tuple(told)
        self._changed = True

    def owes(self, refusal: NatfixError | None) -> None:
        """Corrections were made whose record the disk refuses; or all of them are recorded."""
        why = refusal.message if refusal else ""
        self._changed |= self._state.unrecorded != why
        self._state.unrecorded = why
        if refusal:
            self._once(f"corrected, but natfix undo does not know of it yet: {why}", refusal, "warning")

    def found(self, backend: Backend, findings: int) -> None:
        """A table was looked at."""
        self._changed |= self._findings.get(str(backend)) != findings
        self._findings[str(backend)] = findings
        self._audience.meter.put(metrics.FINDINGS, findings, str(backend))
        self._audience.meter.add(metrics.CORRECTIONS, str(backend), number=0)

    def corrected(self, backend: Backend, correction: Correction, done: Done) -> None:
        """A rule was corrected."""
        micros, look = round(done.seconds * 1_000_000), round(done.look * 1_000_000)
        self._audience.meter.add(metrics.CORRECTIONS, str(backend))
        self._audience.meter.observe(metrics.CORRECTION_SECONDS, done.seconds, str(backend))
        self._state.corrections += 1
        self._state.last = f"{self._time()} {correction.kind}"
        self._changed = True
        who = f" of {done.writers[-1]}" if done.writers else ""
        waited = f" ({look} us since the last look began; it was held back until then)" if look != micros else ""
        self._tell(
            "corrected",
            f"corrected {micros} us after the change{who}{waited}: {correction.kind} is now {correction.after}",
            {
                "backend": str(backend),
                "before": correction.before,
                "after": correction.after,
                "microseconds": micros,
                "look_microseconds": look,
                "writers": list(done.writers),
                "repeated": not done.change,
                "change": done.change or None,
            },
        )

    def fighting(self, fight: Fight) -> None:
        """A fight goes on, and may have shown more of who it is."""
        if fight.writer and self._fights.get(fight.kind) != fight.writer:
            self._fights[fight.kind] = fight.writer
            self._changed = True

    def fight(self, fight: Fight, last: str, longest_pause: float) -> None:
        """Somebody keeps putting a rule back; *last* is all that was seen where no program was seen to start another."""
        who = self._fights[fight.kind] = fight.writer or last
        self._changed = True
        self._tell(
            "fight",
            f"{who or 'somebody'} keeps putting this rule back, {fight.times} times already: {fight.kind}. natfix "
            f"corrects it less and less often now, every {longest_pause:g} s in the end. Stop that program from writing it.",
            {"rule": fight.kind, "writer": who or None, "times": fight.times},
            "error",
        )

    def calm(self, fight: Fight) -> None:
        """Nobody puts it back any more."""
        self._fights.pop(fight.kind, None)
        self._changed = True
        fields = {"rule": fight.kind, "writer": fight.writer or None, "times": fight.times}
        self._tell("calm", f"nobody puts this rule back any more: {fight.kind}", fields)

    def saved(self, path: str, change: str) -> None:
        """A file that is loaded at boot has the correction."""
        self._tell("saved", f"saved for the next boot: {path}", {"path": path, "change": change})

    def guard(self, *, wanted: bool, standing: bool) -> None:
        """How the guard is."""
        self._audience.meter.put(metrics.GUARD_WANTED, wanted)
        self._audience.meter.put(metrics.GUARD_STANDING, standing)

    def guarded(self, change: str) -> None:
        """The guard was turned on by *change*; or put back, which is no change of anybody's mind."""
        if change:
            self._tell("guarded", f"turned the guard on; undo with: natfix undo {change}", {"change": change})
        else:
            self._audience.meter.add(metrics.GUARD_RESTORED)
            self._tell("guarded", "put the guard back, which somebody had taken away or which lacked a subnet")

    def unguarded(self, why: str) -> None:
        """The guard is asked for and cannot be there, for a reason; or all is as it was asked for."""
        if why and why != self._state.unguarded:
            self._tell("unguarded", f"the guard is not on: {why}", level="warning")
        self._changed |= self._state.unguarded != why
        self._state.unguarded = why

    def all_saved(self) -> None:
        """No file lacks a correction."""
        self._changed |= bool(self._state.unsaved)
        self._state.unsaved = ""

    def unsaved(self, error: NatfixError) -> None:
        """A file could not be corrected; the running rules are."""
        self._changed |= self._state.unsaved != error.message
        self._state.unsaved = error.message
        self._once(f"the running rules are right, but not saved for the next boot: {error.message}", error, "warning")

    def refuse(self, error: NatfixError) -> None:
        """A look could not be finished."""
        self._changed |= self._state.refused != error.message
        self._state.refused = error.message
        self._once(error.message, error, "error")

    def finished(self) -> None:
        """A look was finished."""
        if self._state.refused:
            self._state.refused, self._changed = "", True
            self._told.clear()

    def unproved(self, told: Sequence[str]) -> None:
        """A change was made that could not be rehearsed here; each way of that is told once."""
        for each in told:
            if each not in self._told:
                self._told.add(each)
                self._tell("unproved", each)

    def remark(self, error: NatfixError, what: str) -> None:
        """Something beside the corrections failed."""
        self._once(f"{what}: {error.message}", error, "warning")

    def report(self) -> None:
        """Put down what holds now, where that is something new."""
        try:
            self._measure()
        except NatfixError as error:
            self.remark(error, "the metrics are not up to date")
        if self._changed:
            self._publish()

    def _measure(self) -> None:
        meter, state = self._audience.meter, self._state
        meter.stamp(metrics.LAST_LOOK)
        meter.put(metrics.LOOK_SUCCESSFUL, not state.refused)
        meter.put(metrics.FIGHTS, len(self._fights))
        meter.put(metrics.LEFT_ALONE, len(self._left))
        meter.put(metrics.UNSAVED, bool(state.unsaved))
        meter.put(metrics.UNRECORDED, bool(state.unrecorded))
        meter.publish()

    def _settings(self, *, usable: bool) -> None:
        self._audience.meter.put(metrics.SETTINGS_READ, usable)
        if usable:
            self._audience.meter.stamp(metrics.SETTINGS_TIME)

    def _publish(self) -> None:
        self._changed = False
        self._state.fights = dict(self._fights)
        self._state.findings = sum(self._findings.values())
        self._audience.notifier.status(self.summary)
        try:
            self._audience.state.write(self._state)
        except NatfixError as error:
            self._changed = True  # The next look tries it again.
            self.remark(error, "natfix status will not show this watcher as it is")

    def _once(self, message: str, error: NatfixError, level: Level) -> None:
        """Tell what is the same at every look only once; count it each time."""
        self._audience.meter.add(metrics.ERRORS, type(error).__name__)
        if message not in self._told:
            self._told.add(message)
            self._tell("refused", message, _why(error), level)

    def _tell(self, what: str, message: str, fields: Mapping[str, Any] | None = None, level: Level = "info") -> None:
        self._audience.chronicle.tell(Entry(what, message, level, fields or {}))

    def _time(self) -> str:
        return self._audience.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fields_of(left: LeftAlone) -> Mapping[str, Any]:
    return {"place": left.place, "rule": left.rule or None, "change": left.change}


def _why(error: NatfixError) -> Mapping[str, Any]:
    return {"error": type(error).__name__, "hint": error.hint}
