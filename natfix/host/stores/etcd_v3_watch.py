"""Changes of leases as etcd's v3 store tells them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from threading import Event
from typing import Any

from natfix.app.node.ports import LeaseWatch
from natfix.errors import ConflictError, HostError
from natfix.host.stores.etcd_v3_client import EtcdV3Client, b64, entry_of, refusal
from natfix.host.stores.layout import Layout
from natfix.host.stores.stream import Stream
from natfix.routing.lease import Change, Lease
from natfix.routing.lease_codec import decode_entry
from natfix.routing.subnet import Subnet


class EtcdV3Watch(LeaseWatch):
    """A watch that goes on from where it was when the line is silent; see LeaseWatch.

    Args:
        client: speaks to the servers.
        layout: the network's keys.
        revision: what is known already.
        idle: seconds of silence after which the server must show that it is there.
    """

    def __init__(self, client: EtcdV3Client, layout: Layout, revision: int, idle: float) -> None:
        self._client = client
        self._layout = layout
        self._revision = revision
        self._idle = idle
        self._asked_again = False
        self._stream: Stream | None = None
        self._closed = Event()

    def __iter__(self) -> Iterator[Sequence[Change]]:
        """Wait for changes."""
        while not self._closed.is_set():
            self._stream = stream = self._open()
            try:
                yield from self._batches(stream)
            except TimeoutError:
                continue
            except HostError as error:
                if self._closed.is_set():
                    return
                if self._client.forget_login(error) and not self._asked_again:
                    self._asked_again = True
                    continue
                self._client.endpoints.distrust(stream.url)
                raise
            finally:
                stream.drop()
            if not self._closed.is_set():
                raise HostError(f"etcd at {stream.url} ended the watch on leases")

    def close(self) -> None:
        """End the waiting."""
        self._closed.set()
        if self._stream:
            self._stream.end()

    def _open(self) -> Stream:
        key = self._layout.subnets
        wanted = {
            "key": b64(key),
            "range_end": b64(key[:-1] + chr(ord(key[-1]) + 1)),
            "start_revision": str(self._revision + 1),
            "progress_notify": True,
        }
        return self._client.listen("watch", {"create_request": wanted}, self._idle)

    def _batches(self, stream: Stream) -> Iterator[Sequence[Change]]:
        for line in stream.lines():
            if self._closed.is_set():
                return
            message = _message(line, stream.url)
            self._judge(message, stream.url)
            self._asked_again = False
            events = message.get("events", ())
            # A message about the past may be one of several, and its header tells of now.
            heard = events[-1]["kv"]["mod_revision"] if events else message["header"]["revision"]
            if not message.get("created"):
                self._revision = max(self._revision, int(heard))
            yield tuple(self._changes(events))

    def _judge(self, message: dict[str, Any], url: str) -> None:
        """Find out whether the watch goes on.

        Raises:
            ConflictError: what came after the revision is forgotten, or never was.
            HostError: etcd cancelled it.
        """
        if int(message.get("compact_revision", "0")):
            raise ConflictError(f"etcd has forgotten what came after revision {self._revision}: it was compacted")
        if int(message["header"].get("revision", "0")) < self._revision:
            raise ConflictError(f"etcd has not come to revision {self._revision}: its data was replaced")
        if message.get("canceled"):
            raise refusal(url, str(message.get("cancel_reason") or "it cancelled the watch"))

    def _changes(self, events: Sequence[dict[str, Any]]) -> Iterator[Change]:
        for event in events:
            entry = entry_of(event["kv"], self._layout)
            try:
                gone = event.get("type") == "DELETE"
                lease = Lease(Subnet.parse_key(entry.key), revision=entry.revision) if gone else decode_entry(entry)[0]
            except ValueError:  # A key that holds no subnet back is nobody's lease.
                continue
            yield Change("gone" if gone else "put", lease)


def _message(line: bytes, url: str) -> dict[str, Any]:
    try:
        said = json.loads(line)
        if "error" in said:
            raise refusal(url, str(said["error"].get("message", said["error"])))
        return {**said["result"], "header": dict(said["result"]["header"])}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HostError(f"etcd at {url} does not answer as it should: {line[:80]!r}") from error
