"""Files that a user names on the command line."""

from __future__ import annotations

from natfix.errors import UsageError

STDIN = "-"


def read_file(path: str, *, hint: str | None = None) -> bytes:
    """Read a file that the user named.

    Raises:
        UsageError: it is not there.
    """
    from natfix.host.files import HostFiles  # noqa: PLC0415

    data = HostFiles().read(path)
    if data is None:
        raise UsageError(f"there is no file {path}", hint=hint)
    return data


def save_text(path: str, data: bytes) -> None:
    """Put a text that was asked for at *path*."""
    from natfix.host.files import HostFiles  # noqa: PLC0415

    HostFiles().replace(path, data, mode=0o644)
