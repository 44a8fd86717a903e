"""When to look at the kernel, as a machine that is told the time (seconds of a clock that never goes back). Touches nothing.

::

    a minute ──────────────► look
    something was touched ─► repair at once, if rested ─► rest as long as that took ─► look a second later
    an operation was refused ► look after 1 s, 2 s, 4 s, … a minute

More than 25 repairs within ten seconds are a fight, in which one a second is made.
"""

from __future__ import annotations

from collections import deque
from typing import Final

INTERVAL: Final = 60.0
VERIFY_AFTER: Final = 1.0
_FIRST_RETRY: Final = 1.0
_TIMES: Final = 25
_SECONDS: Final = 10.0
_FIGHT_REST: Final = 1.0
_CALM_SECONDS: Final = 5.0
_LONGEST_REST: Final = 1.0


class Schedule:
    """Decides when the next look or repair is made.

    Args:
        now: the time.
    """

    def __init__(self, now: float) -> None:
        self.fighting = False
        self._next = now + INTERVAL
        self._free = now
        self._retry = _FIRST_RETRY
        self._repairs: deque[float] = deque(maxlen=_TIMES + 1)

    def by(self, moment: float) -> None:
        """A look is wanted at *moment* at the latest."""
        self._next = min(self._next, moment)

    def look_due(self, now: float) -> bool:
        """Whether to look now."""
        return now >= self._next and self.rested(now)

    def rested(self, now: float) -> bool:
        """Whether a repair may be made now."""
        return now >= self._free

    def sleep(self, now: float, *, touched: bool) -> float:
        """Seconds until there is something to do.

        Args:
            now: the time.
            touched: whether something waits to be repaired.
        """
        return max(0.0, max(now if touched else self._next, self._free) - now)

    def refused(self, now: float) -> None:
        """An operation was refused: look again, later each time."""
        self.by(now + self._retry)

    def looked(self, now: float, *, refused: bool) -> None:
        """A look was made."""
        self._next = now + (self._retry if refused else INTERVAL)
        self._retry = min(2 * self._retry, INTERVAL) if refused else _FIRST_RETRY

    def repaired(self, start: float, end: float) -> bool:
        """What somebody else had changed was put right; tell whether a fight begins with that."""
        pause = end - self._repairs[-1] if self._repairs else _CALM_SECONDS
        self._repairs.append(end)
        often = len(self._repairs) > _TIMES and end - self._repairs[0] < _SECONDS
        began = often and not self.fighting
        self.fighting = often or (self.fighting and pause < _CALM_SECONDS)
        self._free = end + (_FIGHT_REST if self.fighting else min(end - start, _LONGEST_REST))
        return began
