"""A few pages over HTTP, each made when somebody asks for it: health, numbers. It reads nothing but the path.

However many ask at once, and however slowly, a daemon that corrects rules spends a few threads on them: others wait.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, NamedTuple, TypeAlias

from natfix.errors import HostError

_CLIENT_SECONDS: Final = 5.0
_AT_ONCE: Final = 16
_PLAIN: Final = "text/plain; charset=utf-8"


class Page(NamedTuple):
    """What is answered.

    Attributes:
        status: of HTTP.
        body: the page itself.
        kind: its media type.
    """

    status: HTTPStatus
    body: bytes
    kind: str = _PLAIN


Answer: TypeAlias = Callable[[str, str], Page]


class PageServer:
    """Answers in threads of its own, which sleep until somebody asks.

    Args:
        address: where to listen.
        port: where to listen; 0 for one that is free.
        answer: gives the page for a path and for the address of whoever asks; called from other threads.
        what: is told there, for the message when it cannot listen: ``metrics cannot be served``.
        hint: what to do then.

    Raises:
        HostError: it cannot listen there.
    """

    def __init__(self, address: str, port: int, answer: Answer, *, what: str, hint: str) -> None:
        class Handler(_Handler):
            page = staticmethod(answer)

        class Server(_Server):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET

        try:
            self._server = Server((address, port), Handler)
        except OSError as error:
            raise HostError(f"{what} on {address} port {port}: {error.strerror or error}", hint=hint) from error
        threading.Thread(target=self._serve, daemon=True, name="pages").start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Listen no more."""
        # A closed socket alone would leave the thread in its accept.
        with contextlib.suppress(OSError):
            self._server.socket.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def _serve(self) -> None:
        # serve_forever would wake up twice a second.
        with contextlib.suppress(OSError, ValueError):
            while self._server.fileno() >= 0:
                self._server.handle_request()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, *given: Any) -> None:  # noqa: ANN401  (as HTTPServer)
        self._free = threading.BoundedSemaphore(_AT_ONCE)
        super().__init__(*given)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (as HTTPServer)
        """Answer in a thread; wait for one to end when there are many."""
        self._free.acquire()
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  (as HTTPServer)
        """Answer, and let the next one be answered."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that goes away in between is no news."""


def text_page(status: HTTPStatus, text: str) -> Page:
    """A page of plain text."""
    return Page(status, text.encode())


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_SECONDS
    server_version = "natfix"
    sys_version = ""
    page: Answer

    def do_GET(self) -> None:
        """Answer."""
        found = self.page(self.path.partition("?")[0], self.client_address[0])
        self.send_response(found.status)
        self.send_header("Content-Type", found.kind)
        self.send_header("Content-Length", str(len(found.body)))
        self.end_headers()
        self.wfile.write(found.body)

    def log_message(self, *_: object) -> None:
        """Log no question."""
