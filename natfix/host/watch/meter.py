"""Numbers for Prometheus, by prometheus-client: on a local address, or in a file for node_exporter's textfile collector."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from natfix.app.watch_ports import Meter
from natfix.errors import HostError, UsageError

if TYPE_CHECKING:
    from wsgiref.simple_server import WSGIServer

# Seconds. A bare iptables-restore takes 4 to 16 ms on a small table and 600 ms on a legacy table of 50,000 rules.
_BUCKETS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_CLIENT_SECONDS: Final = 5.0
_PORTS: Final = range(1, 1 << 16)


class NoMeter(Meter):
    """Nobody measures."""

    def corrected(self, backend: str, seconds: float) -> None:
        """Count nothing."""

    def looked(self, findings: Mapping[str, int], fights: int) -> None:
        """Note nothing."""


class PrometheusMeter(Meter):
    """Counts in a registry of its own; what was asked for in the file is there from the beginning.

    Args:
        textfile: a file to write after each look, whole or not at all; empty for none.

    Raises:
        HostError: prometheus-client is not installed.
    """

    def __init__(self, textfile: str = "") -> None:
        library = _library()
        self.registry = library.CollectorRegistry()
        self._write = library.write_to_textfile
        self._textfile = textfile
        self._latency = library.Histogram(
            "natfix_correction_seconds", "From hearing of a change to its correction in the kernel.", ["backend"],
            buckets=_BUCKETS, registry=self.registry,
        )  # fmt: skip
        self._corrections = library.Counter(
            "natfix_corrections", "Rules that natfix corrected.", ["backend"], registry=self.registry
        )
        self._looked = library.Gauge("natfix_last_look_timestamp_seconds", "When natfix looked last.", registry=self.registry)
        self._findings = library.Gauge("natfix_findings", "What is wrong now.", ["backend"], registry=self.registry)
        self._fights = library.Gauge("natfix_fights", "Rules that somebody keeps putting back.", registry=self.registry)

    def corrected(self, backend: str, seconds: float) -> None:
        """Count a correction."""
        self._corrections.labels(backend).inc()
        self._latency.labels(backend).observe(seconds)

    def looked(self, findings: Mapping[str, int], fights: int) -> None:
        """Note a look and what it found, and write the file."""
        self._looked.set_to_current_time()
        self._fights.set(fights)
        for backend, number in findings.items():
            self._findings.labels(backend).set(number)
            self._corrections.labels(backend)
            self._latency.labels(backend)

        if self._textfile:
            try:
                self._write(self._textfile, self.registry)
            except OSError as error:
                raise HostError(f"the metrics cannot be written to {self._textfile}: {error.strerror}") from error


def serve(meter: PrometheusMeter, address: str) -> WSGIServer:
    """Answer scrapes on ``HOST:PORT``, in a thread that sleeps until somebody asks.

    Raises:
        UsageError: it is no address.
        HostError: it is taken.
    """
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server  # noqa: PLC0415  (asked for rarely)

    class Handler(WSGIRequestHandler):
        """A client that is slow holds up no other for long."""

        timeout = _CLIENT_SECONDS

        def log_message(self, *_: object) -> None:
            """Log no scrape."""

    class Server(WSGIServer):
        """A client that goes away in between is no news."""

        def handle_error(self, *_: object) -> None:
            """Say nothing."""

    host, port = parse_address(address)
    try:
        server = make_server(host, port, _library().make_wsgi_app(meter.registry), Server, Handler)
    except OSError as error:
        raise HostError(f"metrics cannot be served on {address}: {error.strerror}") from error
    threading.Thread(target=_serve, args=(server,), daemon=True, name="metrics").start()
    return server


def parse_address(text: str) -> tuple[str, int]:
    """Read ``127.0.0.1:9735``.

    Raises:
        UsageError: it is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) not in _PORTS:
        raise UsageError(f"{text} is no address with a port", hint="--metrics-listen 127.0.0.1:9735")
    return host, int(port)


def _serve(server: WSGIServer) -> None:
    # serve_forever would wake up twice a second. A socket that was closed ends it.
    with contextlib.suppress(OSError, ValueError):
        while True:
            server.handle_request()


def _library() -> Any:  # noqa: ANN401  (it publishes types, but is not installed everywhere)
    try:
        return import_module("prometheus_client")
    except ImportError as error:
        raise HostError(
            "metrics need prometheus-client, which is not installed",
            hint="Install it: apt-get install python3-prometheus-client, or pip install 'natfix[metrics]'.",
        ) from error
