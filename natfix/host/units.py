"""systemd's unit files and systemd itself, through systemctl."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from natfix.app.ports import Files
from natfix.app.units import Units
from natfix.errors import HostError, UnsupportedError
from natfix.host.programs import Done, find, run
from natfix.host.refusals import refusal

FOLDER: Final = "etc/systemd/system"
MEMORY: Final = "var/lib/natfix/installed.json"
_PACKAGE: Final = Path(__file__).parents[1]
_SECONDS: Final = 180.0
_SUPERVISOR_HINT: Final = (
    "Under supervisor: natfix install --supervisor > /etc/supervisord.d/natfix-watch.ini; to prepare another root: --root DIR"
)


def packaged_files(folder: str) -> Mapping[str, bytes]:
    """Read the files of ``systemd`` or ``supervisor``, by their path in that folder.

    In an installed package they are its data, in a checkout they lie beside the package.
    """
    installed = _PACKAGE / "_data" / folder
    found = installed if installed.is_dir() else _PACKAGE.parent / folder
    return {str(path.relative_to(found)): path.read_bytes() for path in sorted(found.rglob("*")) if path.is_file()}


def lies_in_home(*paths: str) -> bool:
    """Whether natfix, its Python, or what that one is a link to, lies where ProtectHome= hides it (systemd.exec(5))."""
    places = paths or (sys.executable, os.path.realpath(sys.executable), sys.base_prefix, str(_PACKAGE))
    return any(place.startswith(("/home/", "/root/", "/run/user/")) for place in places)


class HostUnits(Units):
    """The units of this host, or of a root directory that is only prepared.

    Args:
        files: writes the unit files.
        root: the root directory; another one than / is not running, so that nothing is started or stopped.
        booted: a folder that is there when systemd is init (sd_booted(3)).
    """

    def __init__(self, files: Files, root: str = "/", *, booted: str = "/run/systemd/system") -> None:
        self._files = files
        self._root = Path(root)
        self._booted = Path(booted)

    @property
    def live(self) -> bool:
        """Whether systemd is asked to start and stop."""
        return self._root == Path("/")

    def require(self) -> None:
        """Make sure that units can be installed here.

        Raises:
            UnsupportedError: no systemd manages this host.
            HostError: systemctl is missing, the root directory is none, or this is not root.
        """
        if self.live and not self._booted.is_dir():
            raise UnsupportedError(
                "no systemd manages this host, so there is nothing to install units into", hint=_SUPERVISOR_HINT
            )
        if find("systemctl") is None:
            raise HostError("the program systemctl is not installed", hint="Install the package systemd.")
        if not self._root.is_dir():
            raise HostError(f"{self._root} is no folder", hint="--root names the root directory of a system.")
        if os.geteuid() != 0:
            raise HostError("only root can install units", hint="Try again with sudo.")

    def path(self, name: str) -> str:
        """Where a unit file lies, or would lie."""
        return str(self._root / FOLDER / name)

    def read(self, name: str) -> bytes | None:
        """Read a unit file; None when there is none.

        Raises:
            HostError: it cannot be read.
        """
        return self._files.read(self.path(name))

    def place(self, name: str, data: bytes) -> None:
        """Put a unit file in place, and make its folder if it is missing.

        Raises:
            HostError: it cannot be written.
        """
        path = self.path(name)
        _make_folder(Path(path).parent, 0o755)
        self._files.replace(path, data, mode=0o644)

    def remove(self, name: str) -> None:
        """Remove a unit file, and the folder of a drop-in when it is empty.

        Raises:
            HostError: it cannot be removed.
        """
        path = Path(self.path(name))
        self._files.remove(str(path))
        if path.parent != self._root / FOLDER:
            _remove_empty(path.parent)

    def reload(self) -> None:
        """Let systemd read the unit files again.

        Raises:
            HostError: it refuses.
        """
        if self.live:
            _expect(_systemctl("daemon-reload"))

    def enable(self, names: Sequence[str]) -> None:
        """Start units at each boot, and now, anew if they run; wait until they are started.

        Raises:
            HostError: one does not start; the message is systemctl's own.
        """
        if names:
            _expect(self._offline_too("enable", *names))
        if names and self.live:
            _expect(_systemctl("restart", *names))

    def disable(self, names: Sequence[str]) -> None:
        """Stop units now, and start them at no boot; those without a file are no error.

        Raises:
            HostError: systemd refuses.
        """
        known = [name for name in names if self.read(name) is not None]
        if known and self.live:
            _expect(_systemctl("stop", *known))
            _systemctl("reset-failed", *known)
        if known:
            _expect(self._offline_too("disable", *known))

    def state(self, name: str) -> str:
        """How a unit is, in systemd's words.

        Raises:
            HostError: systemd does not tell.
        """
        done = _systemctl("show", "--property=ActiveState", "--value", name)
        _expect(done)
        return done.output.decode().strip()

    def recall(self) -> bytes | None:
        """What was remembered; None when nothing was.

        Raises:
            HostError: it cannot be read.
        """
        return self._files.read(str(self._root / MEMORY))

    def remember(self, data: bytes | None) -> None:
        """Keep *data* in natfix's state folder; None forgets it.

        Raises:
            HostError: it cannot be written.
        """
        path = self._root / MEMORY
        if data is None:
            self._files.remove(str(path))
            _remove_empty(path.parent)
        else:
            _make_folder(path.parent, 0o700)
            self._files.replace(str(path), data)

    def _offline_too(self, verb: str, *names: str) -> Done:
        """Make or remove the links that start units at boot, which needs no running systemd."""
        return _systemctl(verb, *names) if self.live else _systemctl(f"--root={self._root}", verb, *names)


def _systemctl(*words: str) -> Done:
    return run("systemctl", "--no-ask-password", *words, seconds=_SECONDS)


def _expect(done: Done) -> None:
    if done.code != 0:
        raise HostError(
            f"{done} failed: {done.complaint or f'exit code {done.code}'}",
            hint="See what they say: journalctl --unit='natfix-*' --since=-5min",
        )


def _make_folder(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode, parents=True, exist_ok=True)
    except OSError as error:
        raise refusal("make", str(path), error) from error


def _remove_empty(folder: Path) -> None:
    # Whatever still lies there is the user's, or natfix's history.
    with contextlib.suppress(OSError):
        folder.rmdir()
