"""Let others read the agent's numbers, where they have to be written: soon after they changed, and not after each change."""

from __future__ import annotations

from typing import Final

from natfix.app.node.voice import Voice
from natfix.errors import NatfixError

_PAUSE: Final = 5.0
_LONG: Final = 3600.0


class Publishing:
    """Writes numbers, as a machine that is told the time (seconds of a clock that never goes back).

    Args:
        voice: its meter is published, and it is told once why that cannot be.
    """

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._free = 0.0
        self._owes = False
        self._told = ""

    def measured(self, now: float) -> None:
        """The numbers are up to date: publish them, at once or after a pause."""
        self._owes = now < self._free
        if self._owes:
            return
        self._free = now + _PAUSE
        try:
            self._voice.meter.publish()
        except NatfixError as error:
            if error.message != self._told:
                self._told = error.message
                self._voice.remark("the metrics are not up to date", error)
        else:
            self._told = ""

    def sleep(self, now: float) -> float:
        """Seconds until ``measured`` is to be called."""
        return max(0.0, self._free - now) if self._owes else _LONG
