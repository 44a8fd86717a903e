"""Changes of leases as etcd's v2 store tells them: one request for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import Final

from natfix.app.node.ports import LeaseWatch
from natfix.errors import ConflictError, HostError
from natfix.host.stores.endpoints import Reply
from natfix.host.stores.etcd_v2_client import EVENT_INDEX_CLEARED, Answer, EtcdV2Client, entry_of, index_of, read_answer
from natfix.host.stores.layout import Layout
from natfix.host.stores.stream import Stream
from natfix.routing.lease import Change, Lease
from natfix.routing.lease_codec import decode_entry
from natfix.routing.subnet import Subnet

_GONE: Final = {"delete", "compareAndDelete", "expire"}


class EtcdV2Watch(LeaseWatch):
    """A watch that asks for one event after the other; see LeaseWatch.

    Args:
        client: speaks to the servers.
        layout: the network's keys.
        revision: what is known already.
        idle: seconds of silence after which the cluster must show that it is there.
    """

    def __init__(self, client: EtcdV2Client, layout: Layout, revision: int, idle: float) -> None:
        self._client = client
        self._layout = layout
        self._revision = revision
        self._idle = idle
        self._stream: Stream | None = None
        self._closed = Event()

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Wait for changes."""
        while not self._closed.is_set():
            self._stream = stream = self._client.wait(self._layout.subnets, self._revision + 1, self._idle)
            try:
                yield from self._events(stream)
            except HostError:
                if self._closed.is_set():
                    return
                self._client.endpoints.distrust(stream.url)
                raise
            finally:
                stream.drop()

    def close(self) -> None:
        """End the waiting."""
        self._closed.set()
        if self._stream:
            self._stream.end()

    def _events(self, stream: Stream) -> Iterator[Sequence[Change]]:
        if 0 < index_of(stream) < self._revision:
            raise ConflictError(f"etcd has not come to index {self._revision}: its data was replaced")
        if self._closed.is_set():
            return
        yield ()
        try:
            body = b"\n".join(stream.lines())
        except TimeoutError:
            self._look_for_the_cluster(stream)
            return
        if self._closed.is_set():
            return
        answer = read_answer(Reply(stream.status, stream.headers, body, stream.url))
        if answer.code == EVENT_INDEX_CLEARED:
            raise ConflictError(f"etcd has forgotten what came after index {self._revision}: it keeps 1000 events")
        if not answer.node:
            raise HostError(f"etcd at {stream.url} ended the watch on leases")
        changes = self._changes(answer)
        self._revision = int(answer.node["modifiedIndex"])
        yield changes

    def _look_for_the_cluster(self, stream: Stream) -> None:
        """Ask what only a cluster with a leader can answer; what was silent until now has told all up to where it began.

        Raises:
            HostError: no endpoint answers.
        """
        self._client.get(self._layout.config)
        self._revision = max(self._revision, index_of(stream))

    def _changes(self, answer: Answer) -> tuple[Change, ...]:
        if answer.node.get("dir"):
            raise ConflictError("the folder of all leases was written or deleted as a whole; take a new look")
        entry = entry_of(answer.node, self._layout)
        try:
            if answer.action in _GONE:
                return (Change("gone", Lease(Subnet.parse_key(entry.key), revision=entry.revision)),)
            return (Change("put", decode_entry(entry)[0]),)
        except ValueError:  # A key that holds no subnet back is nobody's lease.
            return ()
