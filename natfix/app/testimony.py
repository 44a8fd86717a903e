"""What the watcher says of its host, believed: for a probe that asks every few seconds and must cost nothing."""

from __future__ import annotations

from collections.abc import Callable

from natfix.app.ports import Files
from natfix.app.watch_state import read_watcher
from natfix.report.changes import PlaceStatus, Status, Watcher

_PLACE = "natfix watch"


def ask_watcher(files: Files, look: Callable[[], Status]) -> Status:
    """Tell what the watcher says; look closer only where it has left findings, which the guard may make harmless.

    Args:
        files: the host's.
        look: looks at the host itself.

    Raises:
        HostError: what the watcher has written cannot be read.
        NatfixError: what *look* raises.
    """
    watcher = read_watcher(files)
    why = _complaint(watcher)
    if not why and watcher is not None and watcher.findings:
        return look()
    return Status((PlaceStatus(_PLACE, None, not why, why or "says that all is right"),), watcher=watcher)


def _complaint(watcher: Watcher | None) -> str:
    """Why the watcher cannot be believed, or what it lacks itself; empty when there is nothing."""
    if watcher is None:
        return "does not run"
    if not watcher.alive:
        return "has ended without a word"
    if watcher.fights:
        return "cannot win: somebody keeps putting a rule back"
    return watcher.refused or watcher.unguarded or watcher.unsaved
