"""Whom to believe, and what to show, on a connection that is encrypted."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from natfix.errors import ConfigError, HostError

Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Tls:
    """What encrypted connections are made with; all are paths, and empty for none.

    Attributes:
        authority: certificates that must have signed the server's; the system's own without it.
        certificate: to show to the server, with what leads up to its authority.
        key: that belongs to it.
        verify: whether the server's certificate counts at all.
    """

    authority: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def __post_init__(self) -> None:
        if bool(self.certificate) != bool(self.key):
            have, lacks = ("certificate", "key") if self.certificate else ("key", "certificate")
            raise ConfigError(
                f"there is a {have} to show to the server, {self.certificate or self.key}, but no {lacks}",
                hint=f"Name the {lacks} too: the two belong together.",
            )

    def __bool__(self) -> bool:
        """Whether anything was said."""
        return bool(self.authority or self.certificate) or not self.verify

    def stamp(self) -> tuple[int, ...]:
        """Tell the files' state, which is another one after a certificate was renewed."""
        paths = filter(None, (self.authority, self.certificate, self.key))
        return tuple(stat.st_mtime_ns for path in paths if (stat := _stat(path)))

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            HostError: one cannot be read, or holds none.
        """
        made = _reading(self.authority, "certificates of the authority", lambda: _trusting(self.authority))
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if not self.verify:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE
        if self.certificate:
            _reading(
                f"{self.certificate} and {self.key}",
                "certificate and key to show to the server",
                lambda: made.load_cert_chain(self.certificate, self.key, password=_no_password),
            )
        return made


def _trusting(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority or None)


def _no_password() -> str:
    raise ValueError("the key is locked by a password, which nobody is there to type")


def _reading(paths: str, what: str, read: Callable[[], Made]) -> Made:
    try:
        return read()
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError.
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise HostError(
            f"cannot read the {what}, {paths}: {reason}",
            hint="Files in PEM form are wanted, which begin with -----BEGIN.",
        ) from error


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116  (pathlib costs start-up time)
    except OSError:
        return None
