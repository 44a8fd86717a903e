"""When to look and when to hold back: the watcher's sense of time, as a machine that is told the time. Touches nothing.

::

    quiet ──event──► look at once ──► rest as long as the look took ──► quiet
      └──every 60 s──► slow look

A rule that keeps coming back is a fight, and time goes between its corrections::

    correct ──again too often──► fight: wait 1 s ──► correct ──again──► wait 2 s ──► … ──► wait 60 s, and so on
                                   └──not put back for twice the wait, a minute at least──► calm: all is forgotten
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

_LONGEST_REST: Final = 10.0
_CALM_SECONDS: Final = 60.0


class Limit(NamedTuple):
    """More than *times* within *seconds* is too often."""

    times: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How the watcher treats time.

    Attributes:
        interval: seconds from one slow look to the next.
        limits: what is too often. The first is a loop that writes as fast as it can; the second one that writes every minute
            or so, such as another agent's resync. A dockerd that is restarted twenty times in a row is neither: it
            writes its rule twice at a start, and may start every other second.
        first_pause: seconds that the first correction in a fight waits; twice as long each time.
        longest_pause: seconds that none waits longer than.
    """

    interval: float = 60.0
    limits: tuple[Limit, ...] = (Limit(25, 10.0), Limit(50, 3600.0))
    first_pause: float = 1.0
    longest_pause: float = 60.0


@dataclass(slots=True)
class Fight:
    """A rule that somebody keeps putting back.

    Attributes:
        kind: the rule, as the watcher names corrections.
        writers: for each writer how often it was there when the rule came back.
        times: how often natfix corrected it.
        pause: seconds between two corrections now.
        until: when it may be corrected again.
        last: when it was corrected last.
    """

    kind: str
    writers: Counter[str] = field(default_factory=Counter)
    times: int = 0
    pause: float = 0.0
    until: float = 0.0
    last: float = 0.0

    @property
    def writer(self) -> str:
        """The writer that was there most often; empty when none was seen."""
        return max(self.writers, key=lambda name: (self.writers[name], name), default="")


@dataclass(slots=True)
class _Past:
    """The corrections of one rule that still count."""

    times: deque[float] = field(default_factory=deque)
    writers: Counter[str] = field(default_factory=Counter)


class Vigil:
    """Decides when to look and what to hold back.

    Args:
        patience: how it treats time.
        now: the time at its beginning, in seconds of a clock that never goes back.
    """

    def __init__(self, patience: Patience, now: float) -> None:
        self.patience = patience
        self.fights: dict[str, Fight] = {}
        self._past: dict[str, _Past] = {}
        self._next_slow = now + patience.interval
        self._rested = now
        self._heard = False

    def heard(self) -> None:
        """Something happened: a look is due as soon as the watcher has rested."""
        self._heard = True

    def due(self, now: float) -> bool:
        """Whether a look is due because of what happened, or because a pause in a fight is over."""
        return (self._heard or any(self._waits(now))) and now >= self._rested

    def hold_off(self, now: float, seconds: float) -> None:
        """Somebody was in the way: look again, but not before *seconds* are over."""
        self._heard = True
        self._rested = max(self._rested, now + seconds)

    def slow_due(self, now: float) -> bool:
        """Whether the slow look is due."""
        return now >= self._next_slow

    def sleep(self, now: float) -> float:
        """Seconds that may pass, without an event, until there is something to do."""
        moments = [self._next_slow, *(fight.until for fight in self.fights.values() if fight.until > fight.last)]
        if self._heard:
            moments.append(self._rested)
        return max(0.0, min(moments) - now)

    def looked(self, start: float, end: float, *, slow: bool = False) -> None:
        """A look was made; the watcher rests as long as it took, so that no storm keeps it busy more than half the time."""
        self._heard = False
        self._rested = end + min(end - start, _LONGEST_REST)
        if slow:
            self._next_slow = end + self.patience.interval
        for fight in self.fights.values():
            if fight.until <= start:
                fight.until = fight.last

    def holds(self, kind: str, now: float) -> bool:
        """Whether the correction *kind* must wait."""
        fight = self.fights.get(kind)
        return fight is not None and now < fight.last + fight.pause

    def corrected(self, kind: str, now: float, writers: Iterable[str] = ()) -> Fight | None:
        """A correction was made; give the fight that it shows, if it is a new one."""
        fight = self.fights.get(kind)
        if fight is not None:
            fight.pause = min(2 * fight.pause, self.patience.longest_pause)
            self._note(fight, now, writers)
            return None
        past = self._past.setdefault(kind, _Past())
        past.times.append(now)
        past.writers.update(writers)
        longest = max(limit.seconds for limit in self.patience.limits)
        while past.times[0] < now - longest:
            past.times.popleft()
        if not any(self._exceeded(past.times, limit, now) for limit in self.patience.limits):
            return None
        fight = self.fights[kind] = Fight(kind, past.writers, len(past.times) - 1, self.patience.first_pause)
        self._note(fight, now, ())
        return fight

    def calmed(self, now: float) -> tuple[Fight, ...]:
        """The fights that are over; each is told once, and forgotten."""
        over = tuple(fight for fight in self.fights.values() if now >= fight.last + _quiet(fight))
        for fight in over:
            del self.fights[fight.kind]
            self._past.pop(fight.kind, None)
        self._forget(now)
        return over

    def _note(self, fight: Fight, now: float, writers: Iterable[str]) -> None:
        fight.times += 1
        fight.last = now
        fight.until = now + fight.pause
        fight.writers.update(writers)

    def _waits(self, now: float) -> Iterator[bool]:
        return (fight.last < fight.until <= now for fight in self.fights.values())

    def _forget(self, now: float) -> None:
        """Forget corrections that count for nothing any more: there is one for each network that was ever made."""
        longest = max(limit.seconds for limit in self.patience.limits)
        for kind in [kind for kind, past in self._past.items() if past.times[-1] < now - longest]:
            del self._past[kind]

    @staticmethod
    def _exceeded(times: Iterable[float], limit: Limit, now: float) -> bool:
        return sum(time > now - limit.seconds for time in times) > limit.times


def _quiet(fight: Fight) -> float:
    return max(2 * fight.pause, _CALM_SECONDS)
