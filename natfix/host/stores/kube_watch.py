"""Changes of leases as Kubernetes tells them, among the many changes of nodes that are none."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from threading import Event
from typing import Any, Final

from natfix.app.node.ports import LeaseWatch
from natfix.errors import HostError
from natfix.host.stores.kube_client import GONE, KubeClient, forgotten
from natfix.host.stores.kube_nodes import lease_of, name_of, revision_of
from natfix.host.stores.stream import Stream
from natfix.routing.lease import Change, Lease

# Nodes tell of themselves, and the server sends bookmarks, more often than this.
IDLE: Final = 90.0


class KubeWatch(LeaseWatch):
    """A watch that goes on from where it was when the server ends it, as it does every half hour or so; see LeaseWatch.

    Args:
        client: speaks to the API.
        revision: what is known already.
        known: what each node held at that revision.
        idle: seconds of silence after which the server must show that it is there.
    """

    def __init__(self, client: KubeClient, revision: int, known: Mapping[str, Lease], idle: float = IDLE) -> None:
        self._client = client
        self._revision = revision
        self._known = dict(known)
        self._idle = idle
        self._stream: Stream | None = None
        self._closed = Event()

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Wait for changes."""
        while not self._closed.is_set():
            self._stream = stream = self._client.watch(self._revision, self._idle)
            try:
                yield ()
                for line in stream.lines():
                    if self._closed.is_set():
                        return
                    yield tuple(self._changes(line, stream.url))
            except TimeoutError:
                continue
            except HostError:
                if self._closed.is_set():
                    return
                raise
            finally:
                stream.drop()

    def close(self) -> None:
        """End the waiting."""
        self._closed.set()
        if self._stream:
            self._stream.end()

    def _changes(self, line: bytes, url: str) -> Iterator[Change]:
        try:
            told = json.loads(line)
            kind, node = str(told["type"]), told["object"]
            if kind == "ERROR":
                raise _ended(node, self._revision)
            self._revision = revision_of(node)
            if kind != "BOOKMARK":
                yield from self._compared(name_of(node), None if kind == "DELETED" else _lease(node))
        except (ValueError, KeyError, TypeError) as error:
            raise HostError(f"{url} does not answer as it should: {line[:80]!r}") from error

    def _compared(self, name: str, lease: Lease | None) -> Iterator[Change]:
        """Say what of a node is new: nothing, most times."""
        before = self._known.pop(name, None)
        if before is not None and (lease is None or lease.subnet != before.subnet):
            yield Change("gone", Lease(before.subnet, revision=self._revision))
        if lease is not None:
            self._known[name] = lease
            if before is None or replace(before, revision=lease.revision) != lease:
                yield Change("put", lease)


def _lease(node: Mapping[str, Any]) -> Lease | None:
    try:
        return lease_of(node)
    except ValueError:  # What cannot be read holds no subnet that anybody could be routed to.
        return None


def _ended(status: Mapping[str, Any], revision: int) -> Exception:
    if status.get("code") == GONE:
        return forgotten(revision)
    return HostError(f"Kubernetes ended the watch on nodes: {status.get('message') or status.get('reason')}")
