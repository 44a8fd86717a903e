"""The service manager, told by way of systemd-python: sd_notify(3)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from importlib import import_module

from natfix.app.watch_ports import Notifier
from natfix.errors import HostError

Notify = Callable[[str], object]


class SystemdNotifier(Notifier):
    """The service manager that set NOTIFY_SOCKET.

    Args:
        notify: systemd.daemon.notify.
        patience: seconds in which it wants to hear that natfix lives; None when it does not care.
    """

    def __init__(self, notify: Notify, patience: float | None = None) -> None:
        self._notify = notify
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
    """The service manager that started natfix, if one did.

    Raises:
        HostError: it waits for news, and systemd-python, which tells them, is not installed.
    """
    told = os.environ if environment is None else environment
    if not told.get("NOTIFY_SOCKET"):
        return NoNotifier()
    try:
        notify: Notify = import_module("systemd.daemon").notify
    except ImportError as error:
        raise HostError(
            "this service is Type=notify, and systemd-python is not installed, so systemd would wait in vain",
            hint="Install it: apt-get install python3-systemd, dnf install python3-systemd, or pip install 'natfix[systemd]'.",
        ) from error
    return SystemdNotifier(notify, _patience(told))


def _patience(told: Mapping[str, str]) -> float | None:
    """What WatchdogSec= of the unit says: WATCHDOG_USEC, meant for WATCHDOG_PID (sd_watchdog_enabled(3))."""
    micros, pid = told.get("WATCHDOG_USEC", ""), told.get("WATCHDOG_PID", "")
    if not micros.isdigit() or not int(micros) or pid not in {"", str(os.getpid())}:
        return None
    return int(micros) / 1_000_000


def _line(text: str) -> str:
    return " ".join(text.encode("utf-8", "replace").decode().split())
