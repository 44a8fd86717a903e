"""Leases in a file, for hosts without etcd and Kubernetes: people say who has which subnet; every host has the same file."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Final

from natfix.app.node.ports import LeaseStore
from natfix.app.ports import Files
from natfix.errors import ConflictError, HostError, UnsupportedError
from natfix.host.refusals import refusal
from natfix.host.stores.file_text import Edition, LeaseText
from natfix.host.stores.file_watch import FileLeaseWatch
from natfix.routing.lease import Attributes, Lease, Snapshot
from natfix.routing.subnet import Subnet

_NOBODY: Final = Attributes()


class FileLeaseStore(LeaseStore):
    """Leases that people write down; see LeaseStore. They never expire, and no host takes one by itself.

    Args:
        path: of the file, which need not be there.
        files: reads and writes it.
    """

    def __init__(self, path: str, files: Files) -> None:
        self._path = os.path.abspath(path)  # noqa: PTH100  (pathlib costs start-up time)
        self._files = files
        self._seen = Edition()
        self._seeing = threading.Lock()

    def config(self) -> str | None:
        """Read the network's configuration."""
        return _spelled(self._look().text.config)

    def configure(self, text: str, *, expected: str | None) -> None:
        """Write the network's configuration in place of *expected*."""

        def change(said: LeaseText) -> LeaseText:
            if _spelled(said.config) != expected:
                raise ConflictError(f"somebody has written another configuration into {self._path}; nothing was changed")
            return LeaseText(json.loads(text), said.subnets)

        self._change(change)

    def assigned(self) -> Subnet | None:
        """Tell that a host finds its subnet by its address."""
        return None

    def snapshot(self, *, expiry: bool = False) -> Snapshot:  # noqa: ARG002  (nothing expires)
        """Read every entry."""
        return self._look().snapshot()

    def create(self, subnet: Subnet, attributes: Attributes, *, seconds: float) -> Lease:  # noqa: ARG002
        """Refuse to: the other hosts' files would not say so."""
        host = attributes.public_ip or attributes.public_ipv6
        raise UnsupportedError(
            f"{self._path} has no subnet for {host}, and hosts take none by themselves where leases live in a file",
            hint=f"Write one down, and give all hosts the file: natfix lease reserve {subnet.networks[0]} --for {host}",
        )

    def renew(self, lease: Lease, attributes: Attributes, *, seconds: float) -> Lease:  # noqa: ARG002
        """Write down what a host tells of itself, if the file does not say so already."""
        held = _unchanged(self._look(), lease)
        if attributes == held.attributes:
            return held

        def change(said: LeaseText) -> LeaseText:
            _unchanged(self._seen.followed_by(said), lease)
            return said.with_lease(lease.subnet, attributes)

        return self._put(lease, change)

    def reserve(self, subnet: Subnet, attributes: Attributes = _NOBODY) -> Lease:
        """Write down who may have a subnet."""

        def change(said: LeaseText) -> LeaseText:
            if subnet.key in said.subnets:
                raise ConflictError(f"somebody holds {subnet} already; nothing was changed")
            return said.with_lease(subnet, attributes)

        return self._put(Lease(subnet), change)

    def release(self, lease: Lease) -> None:
        """Strike an entry out."""

        def change(said: LeaseText) -> LeaseText:
            _unchanged(self._seen.followed_by(said), lease)
            return said.without(lease.subnet)

        self._change(change)

    def watch(self, revision: int) -> FileLeaseWatch:
        """Hear of every change after *revision*."""
        return FileLeaseWatch(self._path, self._look, self._seen if self._seen.number == revision else None)

    def _look(self) -> Edition:
        return self._take(self._read())

    def _read(self) -> LeaseText:
        return LeaseText.parse(self._files.read(self._path), self._path)

    def _take(self, text: LeaseText) -> Edition:
        with self._seeing:
            self._seen = self._seen.followed_by(text)
            return self._seen

    def _put(self, lease: Lease, change: Callable[[LeaseText], LeaseText]) -> Lease:
        found = self._change(change).lease(lease.subnet)
        if found is None:
            raise HostError(f"{self._path} does not hold what was written")
        return found

    def _change(self, change: Callable[[LeaseText], LeaseText]) -> Edition:
        """Change the file, one natfix after the other."""
        with self._alone():
            after = change(self._read())
            self._files.replace(self._path, after.render(), mode=0o644)
            return self._take(after)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Lock the file's folder, since the file itself is replaced."""
        folder = os.path.dirname(self._path)  # noqa: PTH120
        try:
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise refusal("write", self._path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def _unchanged(now: Edition, lease: Lease) -> Lease:
    """Give what is said of a subnet; it must be what the lease says, whatever its revision, which counts in one process alone.

    Raises:
        ConflictError: it is not.
    """
    found = now.lease(lease.subnet)
    if found is None or found.attributes != lease.attributes:
        raise ConflictError(f"the lease of {lease.subnet} is gone or another's; nothing was changed")
    return found


def _spelled(config: object) -> str | None:
    return None if config is None else json.dumps(config, ensure_ascii=False)
