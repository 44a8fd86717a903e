"""The agent's answers over HTTP: alive, ready, numbers, and as whom the asker is seen.

Flannel's paths where it has them (main.go, mustRunHealthz): ``/healthz`` and ``/readyz``. ``/metrics`` is the text format of
Prometheus, and ``/seen`` answers with the address the question came from, which ``natfix node verify`` asks for.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv6Address, ip_address
from typing import Final, TypeAlias

from natfix.app.node.health import Health
from natfix.errors import HostError

Answer: TypeAlias = tuple[HTTPStatus, str]
_CLIENT_SECONDS: Final = 5.0


class HealthServer:
    """Answers in threads of its own, from what the agent left in *look*.

    Args:
        address: where to listen.
        port: where to listen; 0 for one that is free.
        look: how the agent is now; called for each question, from another thread.

    Raises:
        HostError: it cannot listen there.
    """

    def __init__(self, address: str, port: int, look: Callable[[], Health]) -> None:
        class Handler(_Handler):
            health = staticmethod(look)

        class Server(ThreadingHTTPServer):
            address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """Say nothing: a client that goes away in between is no news."""

        try:
            self._server = Server((address, port), Handler)
        except OSError as error:
            raise HostError(
                f"health cannot be told on {address} port {port}: {error.strerror or error}",
                hint="Choose another with --healthz-ip and --healthz-port.",
            ) from error
        threading.Thread(target=self._serve, daemon=True, name="health").start()

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


class _Handler(BaseHTTPRequestHandler):
    timeout = _CLIENT_SECONDS
    server_version = "natfix"
    sys_version = ""
    health: Callable[[], Health]

    def do_GET(self) -> None:
        """Answer."""
        status, text = self._answer(self.path.partition("?")[0])
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log no question."""

    def _answer(self, path: str) -> Answer:
        health = self.health()
        if path == "/healthz":
            return (HTTPStatus.OK, "natfix is running\n") if health.alive else _unwell("natfix does not get on")
        if path == "/readyz":
            return (HTTPStatus.OK, "natfix is ready\n") if not health.missing else _unwell(f"not ready: {health.missing}")
        if path == "/metrics":
            return HTTPStatus.OK, "".join(f"natfix_node_{name} {value:g}\n" for name, value in sorted(health.numbers.items()))
        if path == "/seen":
            return HTTPStatus.OK, f"{_plain(self.client_address[0])}\n"
        return HTTPStatus.NOT_FOUND, "ask for /healthz, /readyz, /metrics or /seen\n"


def _unwell(text: str) -> Answer:
    return HTTPStatus.SERVICE_UNAVAILABLE, f"{text}\n"


def _plain(address: str) -> str:
    """An address without the shape that IPv4 has on a socket of IPv6 (RFC 4291, 2.5.5.2), and without a zone."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
