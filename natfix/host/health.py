"""The agent's answers over HTTP: alive, ready, numbers, and as whom the asker is seen.

Flannel's paths where it has them (main.go, mustRunHealthz): ``/healthz`` and ``/readyz``. ``/metrics`` is the text format of
Prometheus, and ``/seen`` answers with the address the question came from, which ``natfix node verify`` asks for.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, ip_address
from typing import Final

from natfix.app.node.health import Health
from natfix.host.metrics.meter import PrometheusMeter
from natfix.host.metrics.serving import metrics_page
from natfix.host.pages import Page, PageServer, text_page

_NOT_MEASURED: Final = "metrics need prometheus-client: pip install 'natfix[metrics]', and start the agent again\n"


class HealthServer(PageServer):
    """Answers from what the agent left in *look*.

    Args:
        address: where to listen.
        port: where to listen; 0 for one that is free.
        look: how the agent is now; called for each question, from another thread.
        meter: its numbers; None where prometheus-client is not installed.

    Raises:
        HostError: it cannot listen there.
    """

    def __init__(self, address: str, port: int, look: Callable[[], Health], meter: PrometheusMeter | None = None) -> None:
        super().__init__(
            address,
            port,
            lambda path, asker: _answer(path, asker, look(), meter),
            what="health cannot be told",
            hint="Choose another with --healthz-ip and --healthz-port.",
        )


def _answer(path: str, asker: str, health: Health, meter: PrometheusMeter | None) -> Page:
    if path == "/healthz":
        return _said("natfix is running\n") if health.alive else _unwell("natfix does not get on\n")
    if path == "/readyz":
        return _said("natfix is ready\n") if not health.missing else _unwell(f"not ready: {health.missing}\n")
    if path == "/metrics":
        return metrics_page(meter) if meter else text_page(HTTPStatus.NOT_IMPLEMENTED, _NOT_MEASURED)
    if path == "/seen":
        return _said(f"{_plain(asker)}\n")
    return text_page(HTTPStatus.NOT_FOUND, "ask for /healthz, /readyz, /metrics or /seen\n")


def _said(text: str) -> Page:
    return text_page(HTTPStatus.OK, text)


def _unwell(text: str) -> Page:
    return text_page(HTTPStatus.SERVICE_UNAVAILABLE, text)


def _plain(address: str) -> str:
    """An address without the shape that IPv4 has on a socket of IPv6 (RFC 4291, 2.5.5.2), and without a zone."""
    found = ip_address(address.partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return str(mapped or found)
