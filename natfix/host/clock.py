"""The time of day of this host."""

from __future__ import annotations

from datetime import UTC, datetime

from natfix.app.ports import Clock


class HostClock(Clock):
    """The system clock, in the host's own time zone."""

    def now(self) -> datetime:
        """The current time, with its time zone."""
        return datetime.now(UTC).astimezone()
