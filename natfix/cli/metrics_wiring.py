"""Builds what tells a monitoring system of one check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from natfix.cli import wiring
from natfix.errors import NatfixError

if TYPE_CHECKING:
    from natfix.report.model import CheckResult


class CheckMetrics:
    """A file for node_exporter's textfile collector, of one check.

    Args:
        path: the file.
        cidrs: the cluster, as far as the user told it.
        live: whether this host is checked, and no text.

    Raises:
        HostError: prometheus-client is not installed.
    """

    def __init__(self, path: str, cidrs: Sequence[str], *, live: bool) -> None:
        from natfix.app.metrics import CHECK_METRICS  # noqa: PLC0415
        from natfix.host.metrics.meter import PrometheusMeter  # noqa: PLC0415

        # Of a process that ends now nobody wants to know how large it is.
        self._meter = PrometheusMeter(CHECK_METRICS, "check", path, process=False)
        self._cidrs = cidrs
        self._live = live

    def ended(self, result: CheckResult, code: int) -> None:
        """Write what was found.

        Raises:
            HostError: the file cannot be written, or the guard not be read.
        """
        from natfix.app.check_metrics import tell_check, tell_guard  # noqa: PLC0415

        tell_check(self._meter, result, code)
        if self._live:
            tell_guard(self._meter, wiring.machine(0), wiring.all_clusters(self._cidrs))
        self._meter.publish()

    def failed(self, error: NatfixError) -> None:
        """Write that it could not be told.

        Raises:
            HostError: the file cannot be written.
        """
        from natfix.app.check_metrics import tell_failure  # noqa: PLC0415

        tell_failure(self._meter, error)
        self._meter.publish()
