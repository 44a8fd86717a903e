"""Numbers over HTTP, for a Prometheus that comes and asks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from natfix.errors import UsageError
from natfix.host.metrics.meter import CONTENT_TYPE, PrometheusMeter
from natfix.host.pages import Page, PageServer, text_page

_PORTS: Final = range(1, 1 << 16)


def serve(meter: PrometheusMeter, address: str) -> PageServer:
    """Answer scrapes on ``HOST:PORT``, in threads that sleep until somebody asks.

    Raises:
        UsageError: it is no address.
        HostError: it is taken.
    """
    hint = "Choose another address with --metrics-listen."
    return PageServer(*parse_address(address), lambda path, _: _answer(path, meter), what="metrics cannot be served", hint=hint)


def metrics_page(meter: PrometheusMeter) -> Page:
    """All numbers as they are now."""
    return Page(HTTPStatus.OK, meter.page(), CONTENT_TYPE)


def parse_address(text: str) -> tuple[str, int]:
    """Read ``127.0.0.1:9735`` or ``[::1]:9735``.

    Raises:
        UsageError: it is something else.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or int(port) not in _PORTS:
        raise UsageError(f"{text} is no address with a port", hint="--metrics-listen 127.0.0.1:9735")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _answer(path: str, meter: PrometheusMeter) -> Page:
    return metrics_page(meter) if path == "/metrics" else text_page(HTTPStatus.NOT_FOUND, "ask for /metrics\n")
