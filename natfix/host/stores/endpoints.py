"""Several addresses of one service, over urllib3: when one is silent the next one is asked.

Where there are several, each has a second to take a connection; only when none does, those that were silent have their full
time. So a machine that is off costs a second, and a network that is slow nothing but time. urllib3's errors become HostErrors
that name each address with its reason.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from natfix.errors import ConfigError, HostError
from natfix.host.stores.reasons import reason
from natfix.host.stores.stream import Stream
from natfix.host.stores.tls import Tls

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse, PoolManager

_PLAIN: Final = Tls()
_SERVER_ERROR: Final = 500
_QUICK_SECONDS: Final = 1.0

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Service:
    """What is spoken to, and how.

    Attributes:
        name: for errors, ``etcd``.
        urls: its addresses, ``https://10.4.7.12:2379``, in the order in which they are tried.
        tls: for those that begin with https.
        timeout: how many seconds one address may take to answer.
        headers: that go with each request.
        hint: what to do when none answers.
    """

    name: str
    urls: tuple[str, ...]
    tls: Tls = _PLAIN
    timeout: float = 5.0
    headers: Mapping[str, str] = field(default_factory=dict)
    hint: str = ""

    def __post_init__(self) -> None:
        for url in self.urls:
            parts = urlsplit(url)
            if parts.scheme not in {"http", "https"} or not parts.hostname:
                raise ConfigError(f"{url!r} is no address of {self.name}, such as https://10.4.7.12:2379")
            if self.tls and parts.scheme == "http":
                raise ConfigError(
                    f"certificates are given, but {url} would be spoken to in plain text",
                    hint="Write https:// in front of it, or leave the certificates out.",
                )
        if not self.urls:
            raise ConfigError(f"there is no address of {self.name}")


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        method: ``GET``.
        path: with its query, ``/v3/kv/range``.
        body: in bytes.
        headers: beside the service's.
        repeatable: whether another address may be asked when this one may have begun to do it.
    """

    method: str
    path: str
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: the status, the headers and the whole body."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:  # noqa: ANN401  (what a service says is any JSON)
        """Read the body.

        Raises:
            HostError: it is no JSON.
        """
        import json  # noqa: PLC0415

        try:
            return json.loads(self.body)
        except ValueError as error:
            raise HostError(f"{self.url} does not answer as it should: {shown(self)}") from error


@dataclass(slots=True)
class Endpoints:
    """The addresses of a service and the connections to them, which any number of threads may use."""

    service: Service
    _first: int = field(default=0, init=False)
    _stamp: tuple[int, ...] = field(default=(), init=False)
    _pool: PoolManager | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        try:
            import urllib3  # noqa: F401, PLC0415  (start-up time)
        except ImportError as error:
            raise HostError(
                f"{self.service.name} is spoken to with the Python package urllib3, which is not installed",
                hint="Install it: pip install 'natfix[etcd]' brings the release that is needed.",
            ) from error

    def ask(self, request: Request) -> Reply:
        """Send a request and wait for all of the answer; one with a server's error is not given by a repeatable one.

        Raises:
            HostError: no address answers in time, or it broke off what must not be repeated.
        """
        return self._try_each(request, self._whole)

    def listen(self, request: Request, idle: float) -> Stream:
        """Send a request whose answer goes on and on, and come back when it begins.

        Args:
            request: what to send.
            idle: for how many seconds nothing may come before the stream counts as silent.

        Raises:
            HostError: as ask.
        """
        return self._try_each(
            request, lambda sent, url, connect: Stream(self._send(sent, url, connect, idle), url, self.service.name)
        )

    def distrust(self, url: str) -> None:
        """Begin with the next address from now on, as this one has let us down."""
        if self.service.urls[self._first] == url:
            self._first = (self._first + 1) % len(self.service.urls)

    def _try_each(self, request: Request, send: Callable[[Request, str, float], Answer]) -> Answer:
        from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError  # noqa: PLC0415

        urls, patience = self.service.urls, self.service.timeout
        quick = min(_QUICK_SECONDS, patience) if len(urls) > 1 else patience
        tries = deque(((self._first + number) % len(urls), quick) for number in range(len(urls)))
        reasons: dict[str, str] = {}
        while tries:
            place, connect = tries.popleft()
            try:
                answer = send(request, urls[place], connect)
            except (HTTPError, _ServerError) as error:
                reasons[urls[place]] = f"{urls[place]}: {self._reason(error)}"
                # urllib3 counts a refused connection as one that was waited for.
                if isinstance(error, ConnectTimeoutError):
                    slow = connect < patience and not isinstance(error, NewConnectionError)
                    tries.extend([(place, patience)] if slow else ())
                elif not request.repeatable:
                    told = f"{self.service.name} broke off, and may have done it or not: {reasons[urls[place]]}"
                    raise HostError(told) from error
            else:
                self._first = place
                return answer
        raise self._silent(tuple(reasons.values()))

    def _whole(self, request: Request, url: str, connect: float) -> Reply:
        response = self._send(request, url, connect, self.service.timeout)
        reply = Reply(response.status, response.headers, response.data, url)
        if reply.status >= _SERVER_ERROR:
            raise _ServerError(_complaint(reply))
        return reply

    def _send(self, request: Request, url: str, connect: float, read: float) -> BaseHTTPResponse:
        from urllib3.util import Timeout  # noqa: PLC0415

        return self._connections().request(
            request.method,
            url.rstrip("/") + request.path,
            body=request.body,
            headers={**self.service.headers, **request.headers},
            timeout=Timeout(connect=connect, read=read),
            preload_content=False,
            redirect=False,
            retries=False,
        )

    def _connections(self) -> PoolManager:
        """Give the connections; new ones when a certificate was renewed on the disk."""
        from natfix.host.stores.pool import make_pool  # noqa: PLC0415  (start-up time)

        stamp = self.service.tls.stamp()
        if self._pool is None or stamp != self._stamp:
            secure = any(url.startswith("https:") for url in self.service.urls)
            context = self.service.tls.context() if secure else None
            self._pool = make_pool(context, self.service.timeout)
            self._stamp = stamp
        return self._pool

    def _silent(self, reasons: Sequence[str]) -> HostError:
        text = f" {reasons[0]}" if len(reasons) == 1 else "".join(f"\n    {reason}" for reason in reasons)
        return HostError(f"{self.service.name} does not answer:{text}", hint=self.service.hint or None)

    def _reason(self, error: BaseException) -> str:
        from urllib3.exceptions import NewConnectionError  # noqa: PLC0415
        from urllib3.exceptions import TimeoutError as NoAnswer  # noqa: PLC0415

        if isinstance(error, NoAnswer) and not isinstance(error, NewConnectionError):
            return f"no answer within {self.service.timeout:g} seconds"
        return reason(error)


class _ServerError(Exception):
    """The server says that it cannot."""


def shown(reply: Reply) -> str:
    """Show the beginning of an answer that is not what was expected."""
    return f"{reply.status}, {reply.body[:80].decode('utf-8', 'replace')!r}"


def _complaint(reply: Reply) -> str:
    try:
        told = reply.json()
    except HostError:
        told = None
    words = told.get("message") or told.get("error") if isinstance(told, dict) else None
    return f"{words or 'it cannot'} ({reply.status})"
