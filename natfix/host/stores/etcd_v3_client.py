"""The JSON gateway of etcd: one call after the other, logged in where etcd wants it."""

from __future__ import annotations

import json
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from natfix.errors import HostError, UnsupportedError
from natfix.host.stores.endpoints import Endpoints, Reply, Request, shown
from natfix.host.stores.layout import Layout
from natfix.host.stores.login import Login
from natfix.host.stores.stream import Stream
from natfix.routing.lease_codec import Entry

_OK: Final = 200
_UNAUTHENTICATED: Final = 401
_NO_SUCH_PATH: Final = 404
# What etcd says when it wants a login and there was none (etcdserver/api/v3rpc/rpctypes/error.go).
_NO_LOGIN: Final = "user name is empty"
# The same, of one that it gave out before it was started anew, or too long ago.
_STALE: Final = "invalid auth token"
# A watch ends with an error, not in silence, when the server has lost its leader (gateway: Grpc-Metadata- becomes metadata).
_REQUIRE_LEADER: Final = {"Grpc-Metadata-hasleader": "true"}


@dataclass(slots=True)
class EtcdV3Client:
    """Calls of the v3 API.

    Attributes:
        endpoints: where etcd is.
        login: who speaks; None where etcd asks nobody.
    """

    endpoints: Endpoints
    login: Login | None = None
    _token: str = field(default="", init=False)

    def call(self, method: str, message: Mapping[str, Any], *, repeatable: bool = True) -> dict[str, Any]:
        """Call *method* (``kv/range``) and give what it answers.

        Raises:
            HostError: no endpoint answers, or etcd refuses.
            UnsupportedError: this etcd has no v3 gateway.
        """
        reply = self._send(method, message, repeatable=repeatable)
        if reply.status == _UNAUTHENTICATED and self.login:  # The token is too old.
            self._token = ""
            reply = self._send(method, message, repeatable=repeatable)
        return _answer(reply)

    def listen(self, method: str, message: Mapping[str, Any], idle: float) -> Stream:
        """Call a *method* that goes on answering.

        Raises:
            HostError: as call.
        """
        stream = self.endpoints.listen(self._request(method, message, repeatable=True), idle)
        if stream.status != _OK:
            body = b"\n".join(stream.lines())
            self._token = ""
            _answer(Reply(stream.status, stream.headers, body, stream.url))
        return stream

    def forget_login(self, error: HostError) -> bool:
        """Make a new login next time if an error says that the old one does not count any more; tell whether it does."""
        if self.login is None or _STALE not in error.message:
            return False
        self._token = ""
        return True

    def _send(self, method: str, message: Mapping[str, Any], *, repeatable: bool) -> Reply:
        return self.endpoints.ask(self._request(method, message, repeatable=repeatable))

    def _request(self, method: str, message: Mapping[str, Any], *, repeatable: bool) -> Request:
        token = self._token  # Another thread may find it stale, and forget it, at any moment.
        if self.login and not token:
            self._token = token = self._log_in(self.login)
        headers = {"Authorization": token} if token else {}
        return Request("POST", f"/v3/{method}", _json(message), headers | _REQUIRE_LEADER, repeatable)

    def _log_in(self, login: Login) -> str:
        words = {"name": login.user, "password": login.password}
        return str(_answer(self.endpoints.ask(Request("POST", "/v3/auth/authenticate", _json(words))))["token"])


def entry_of(kv: Mapping[str, str], layout: Layout, expires: float | None = None) -> Entry:
    """Read one key and its value as the gateway shows them."""
    return Entry(
        key=str(a2b_base64(kv["key"])[len(layout.subnets) :], "utf-8", "replace"),
        value=a2b_base64(kv.get("value", "")),
        revision=int(kv.get("mod_revision", "0")),
        reserved=not lease_id(kv),
        expires=expires,
    )


def lease_id(kv: Mapping[str, str]) -> str:
    """The number of etcd's lease that a key goes with; empty for a key that stays."""
    number = str(kv.get("lease", "0"))
    return "" if number == "0" else number


def b64(text: str) -> str:
    """Write text as the gateway wants bytes."""
    return b64encode(text.encode("utf-8", "surrogateescape")).decode()


def refusal(url: str, words: str) -> HostError:
    """Say that etcd refused."""
    hint = None
    if _NO_LOGIN in words:
        hint = "This etcd wants a login: --etcd-username, and FLANNELD_ETCD_PASSWORD in the environment."
    return HostError(f"etcd at {url} refuses: {words}", hint=hint)


def _json(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode()


def _answer(reply: Reply) -> dict[str, Any]:
    if reply.status == _NO_SUCH_PATH:
        raise UnsupportedError(
            f"the etcd at {reply.url} has no v3 API as natfix speaks it, which came with etcd 3.4",
            hint="--etcd-api v2 speaks the older one.",
        )
    told = reply.json()
    if reply.status != _OK or not isinstance(told, dict):
        words = told.get("message") or told.get("error") if isinstance(told, dict) else None
        raise refusal(reply.url, str(words or f"status {reply.status}"))
    if not str((told.get("header") or {}).get("revision", "")).isdecimal():
        raise HostError(f"{reply.url} does not answer as etcd would: {shown(reply)}")
    return told
