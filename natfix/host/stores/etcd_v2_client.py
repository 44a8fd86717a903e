"""The keys API of etcd's v2 store, which flannel spoke up to 0.17 and etcd serves up to 3.5 (there with --enable-v2)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

from natfix.errors import HostError, UnsupportedError
from natfix.host.stores.endpoints import Endpoints, Reply, Request, shown
from natfix.host.stores.layout import Layout
from natfix.host.stores.login import Login
from natfix.host.stores.stream import Stream
from natfix.routing.lease_codec import Entry

# etcd, etcdserver/api/v2error/error.go.
KEY_NOT_FOUND: Final = 100
COMPARE_FAILED: Final = 101
NODE_EXIST: Final = 105
EVENT_INDEX_CLEARED: Final = 401

_OK: Final = (200, 201)
_UNAUTHORIZED: Final = 401
_NO_SUCH_PATH: Final = 404
_INDEX: Final = "X-Etcd-Index"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the keys API said.

    Attributes:
        code: its own number of the error; 0 for none.
        node: the key it is about, as JSON; empty with an error.
        index: of the store as a whole.
        action: ``get``, ``create``, ``expire``, …
    """

    code: int
    node: Mapping[str, Any]
    index: int
    action: str = ""


@dataclass(frozen=True, slots=True)
class EtcdV2Client:
    """Requests to the keys API.

    Attributes:
        endpoints: where etcd is.
        login: who speaks; None where etcd asks nobody.
    """

    endpoints: Endpoints
    login: Login | None = None

    def get(self, key: str) -> Answer:
        """Read a key and all below it, as the cluster has agreed.

        Raises:
            HostError: no endpoint answers, or etcd refuses.
            UnsupportedError: this etcd has no v2 store.
        """
        return read_answer(self.endpoints.ask(self._request("GET", key, {"recursive": "true", "quorum": "true"})))

    def put(self, key: str, value: str, conditions: Mapping[str, str | int]) -> Answer:
        """Write a key; *conditions* are ``prevExist``, ``prevIndex`` and ``ttl``.

        Raises:
            HostError: as get.
            UnsupportedError: as get.
        """
        body = urlencode({"value": value, **conditions}).encode()
        return read_answer(self.endpoints.ask(self._request("PUT", key, {}, body)))

    def delete(self, key: str, index: int) -> Answer:
        """Delete a key that is still at *index*.

        Raises:
            HostError: as get.
            UnsupportedError: as get.
        """
        return read_answer(self.endpoints.ask(self._request("DELETE", key, {"prevIndex": index})))

    def wait(self, key: str, index: int, idle: float) -> Stream:
        """Ask for the first event at *key* or below it from *index* on; it comes when it happens.

        Raises:
            HostError: as get.
        """
        wanted: dict[str, str | int] = {"wait": "true", "recursive": "true", "waitIndex": index}
        return self.endpoints.listen(self._request("GET", key, wanted), idle)

    def _request(self, method: str, key: str, query: Mapping[str, str | int], body: bytes | None = None) -> Request:
        headers = {} if body is None else {"Content-Type": "application/x-www-form-urlencoded"}
        if self.login:
            words = f"{self.login.user}:{self.login.password}"
            headers["Authorization"] = f"Basic {b64encode(words.encode()).decode()}"
        path = f"/v2/keys{quote(key)}" + (f"?{urlencode(query)}" if query else "")
        return Request(method, path, body, headers, repeatable=method == "GET")


def read_answer(reply: Reply) -> Answer:
    """Read what the keys API said, errors among it that a caller may expect.

    Raises:
        HostError: etcd refuses.
        UnsupportedError: it has no v2 store.
    """
    told = reply.json() if reply.body[:1] == b"{" else {}
    code = int(told.get("errorCode", 0))
    if reply.status in _OK or code in {KEY_NOT_FOUND, COMPARE_FAILED, NODE_EXIST, EVENT_INDEX_CLEARED}:
        node = told.get("node") or {}
        if not (code or node.get("dir") or "modifiedIndex" in node):
            raise HostError(f"{reply.url} does not answer as etcd would: {shown(reply)}")
        index = reply.headers.get(_INDEX) or told.get("index") or 0
        return Answer(code, node, int(index), str(told.get("action", "")))
    if reply.status == _NO_SUCH_PATH:
        raise UnsupportedError(
            f"the etcd at {reply.url} has no v2 store",
            hint="etcd 3.4 and 3.5 have it with --enable-v2; --etcd-api v3 speaks to the newer store.",
        )
    words = ": ".join(str(told[name]) for name in ("message", "cause") if told.get(name)) or shown(reply)
    hint = "This etcd wants a login: --etcd-username, and FLANNELD_ETCD_PASSWORD." if reply.status == _UNAUTHORIZED else None
    raise HostError(f"etcd at {reply.url} refuses: {words}", hint=hint)


def index_of(stream: Stream) -> int:
    """The index of the store when the waiting began."""
    return int(stream.headers.get(_INDEX, 0))


def entry_of(node: Mapping[str, Any], layout: Layout, expires: float | None = None) -> Entry:
    """Read one key and its value."""
    return Entry(
        key=layout.name(str(node["key"])),
        value=str(node.get("value", "")),
        revision=int(node.get("modifiedIndex", 0)),
        reserved="ttl" not in node,
        expires=expires,
    )
