"""The service manager, told as sd_notify(3) describes it.

That page asks programs to speak its few words themselves where a library would be one more thing to need: python3-systemd
exists for a distribution's own Python alone, which is too old for natfix on RHEL and its likes.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping
from typing import Final

from natfix.app.watch_ports import Notifier

# Seconds that a manager which does not read may hold natfix up.
_PATIENCE: Final = 1.0


class SystemdNotifier(Notifier):
    """The service manager that set NOTIFY_SOCKET.

    Args:
        address: what NOTIFY_SOCKET says: a path, or @ and a name that is none (unix(7), abstract).
        patience: seconds in which it wants to hear that natfix lives; None when it does not care.
    """

    def __init__(self, address: str, patience: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self._patience = patience

    @property
    def patience(self) -> float | None:
        """Seconds after which it takes natfix for dead."""
        return self._patience

    def ready(self, status: str) -> None:
        """Say that the host is right, or as right as natfix can make it."""
        self._notify(f"READY=1\nSTATUS={_line(status)}")

    def status(self, status: str) -> None:
        """Say in a line what holds."""
        self._notify(f"STATUS={_line(status)}")

    def reloading(self) -> None:
        """Say that the settings are being read again, with the time that Type=notify-reload asks for."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def alive(self) -> None:
        """Say that natfix lives."""
        if self._patience is not None:
            self._notify("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that natfix ends."""
        self._notify("STOPPING=1")

    def _notify(self, news: str) -> None:
        """Send news. That a manager is gone, or does not read, keeps no rule wrong: it notices by its own watchdog."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.settimeout(_PATIENCE)
            manager.sendto(news.encode(), self._address)


class NoNotifier(Notifier):
    """Nobody started natfix who wants to know."""

    patience: float | None = None

    def ready(self, status: str) -> None:
        """Tell nobody."""

    def status(self, status: str) -> None:
        """Tell nobody."""

    def reloading(self) -> None:
        """Tell nobody."""

    def alive(self) -> None:
        """Tell nobody."""

    def stopping(self) -> None:
        """Tell nobody."""


def open_notifier(environment: Mapping[str, str] | None = None) -> Notifier:
    """The service manager that started natfix, if one did."""
    told = os.environ if environment is None else environment
    address = told.get("NOTIFY_SOCKET", "")
    return SystemdNotifier(address, _patience(told)) if address else NoNotifier()


def _patience(told: Mapping[str, str]) -> float | None:
    """What WatchdogSec= of the unit says: WATCHDOG_USEC, meant for WATCHDOG_PID (sd_watchdog_enabled(3))."""
    micros, pid = told.get("WATCHDOG_USEC", ""), told.get("WATCHDOG_PID", "")
    if not micros.isdigit() or not int(micros) or pid not in {"", str(os.getpid())}:
        return None
    return int(micros) / 1_000_000


def _line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())
