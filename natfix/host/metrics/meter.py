"""Numbers for Prometheus, by prometheus-client: for whoever asks, and in a file for node_exporter's textfile collector."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from natfix._version import __version__
from natfix.app.metrics import BUILD, Labels, Meter, Metric
from natfix.errors import HostError
from natfix.host.temporary import remove_leftovers, temporary

# Of the text format that every Prometheus reads; newer ones have names of other letters, which natfix does not use.
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
# Seconds. A bare iptables-restore takes 4 to 16 ms on a small table and 600 ms on a legacy table of 50,000 rules; a route 2 ms.
_BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class NoMeter(Meter):
    """Nobody measures."""

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Note nothing."""

    def put_only(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Note nothing."""

    def stamp(self, metric: Metric) -> None:
        """Note nothing."""

    def add(self, metric: Metric, *labels: str, number: float = 1) -> None:
        """Count nothing."""

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Note nothing."""

    def publish(self) -> None:
        """Write nothing."""


class PrometheusMeter(Meter):
    """Keeps numbers in a registry of its own.

    Counters and histograms are there from the beginning, with 0, as far as their labels are known then. A gauge is there once
    somebody has said what it is: 0 would be an answer.

    Args:
        metrics: all that will be told.
        part: of natfix: ``watch``, ``node``, ``check``.
        textfile: a file that ``publish`` writes, whole or not at all; empty for none.
        process: whether this process itself is measured too (``process_resident_memory_bytes`` and the like).

    Raises:
        HostError: prometheus-client is not installed.
    """

    def __init__(self, metrics: Sequence[Metric], part: str, textfile: str = "", *, process: bool = True) -> None:
        self._library = _library()
        # A sample beside each counter that tells when it was made: no rule or dashboard of ours asks for it. The library of
        # Debian 12 (0.16) has no such switch, and tells it.
        getattr(self._library, "disable_created_metrics", lambda: None)()
        self._registry = self._library.CollectorRegistry()
        self._textfile = textfile
        self._known = frozenset((BUILD, *metrics))
        self._made: dict[str, Any] = {}
        self._lock = threading.Lock()
        for metric in metrics:
            if metric.kind != "gauge":
                made = self._of(metric)
                for labels in metric.known:
                    made.labels(*labels)
        if process:
            self._library.ProcessCollector(registry=self._registry)
        self.put(BUILD, 1, __version__, part)

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Let a gauge be *value* now."""
        self._one(metric, labels).set(value)

    def put_only(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Let a gauge have these values and no others any more."""
        made = self._of(metric)
        with self._lock:
            made.clear()
            for labels, value in values.items():
                made.labels(*labels).set(value)

    def stamp(self, metric: Metric) -> None:
        """Let a gauge be the time of day."""
        self._of(metric).set_to_current_time()

    def add(self, metric: Metric, *labels: str, number: float = 1) -> None:
        """Let a counter grow."""
        self._one(metric, labels).inc(number)

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Let a histogram know one more duration."""
        self._one(metric, labels).observe(seconds)

    def publish(self) -> None:
        """Write the file.

        It is not made to last a power cut: nobody reads it after one, and no correction shall wait for a disk.

        Raises:
            HostError: it cannot be written.
        """
        if self._textfile:
            try:
                _write(self._textfile, self.page())
            except OSError as error:
                raise HostError(f"the metrics cannot be written to {self._textfile}: {error.strerror}") from error

    def page(self) -> bytes:
        """All numbers in Prometheus' text format; see CONTENT_TYPE."""
        with self._lock:
            page: bytes = self._library.generate_latest(self._registry)
        return page

    def _one(self, metric: Metric, labels: Labels) -> Any:  # noqa: ANN401  (of the library, which is not installed everywhere)
        made = self._of(metric)
        return made.labels(*labels) if metric.labels else made

    def _of(self, metric: Metric) -> Any:  # noqa: ANN401  (as _one)
        made = self._made.get(metric.name)
        return made if made is not None else self._make(metric)

    def _make(self, metric: Metric) -> Any:  # noqa: ANN401  (as _one)
        if metric not in self._known:
            raise LookupError(f"{metric.name} is not among the metrics of this part")
        with self._lock:
            if metric.name not in self._made:
                given = {"labelnames": metric.labels, "registry": self._registry}
                if metric.kind == "gauge":
                    made = self._library.Gauge(metric.name, metric.text, **given)
                elif metric.kind == "counter":
                    made = self._library.Counter(metric.name, metric.text, **given)
                else:
                    made = self._library.Histogram(metric.name, metric.text, buckets=_BUCKETS, **given)
                self._made[metric.name] = made
            return self._made[metric.name]


def _write(path: str, data: bytes) -> None:
    """Put *data* at *path* in one step, readable for everybody whatever the umask, as the collector is not root."""
    folder, name = os.open(Path(path).parent, _FOLDER), Path(path).name
    try:
        remove_leftovers(folder, name, frozenset({os.geteuid()}))
        with temporary(folder, name) as (file, made):
            with open(file, "wb", closefd=False) as stream:
                stream.write(data)
            os.fchmod(file, 0o644)
            os.rename(made, name, src_dir_fd=folder, dst_dir_fd=folder)
    finally:
        with contextlib.suppress(OSError):
            os.close(folder)


def _library() -> Any:  # noqa: ANN401  (it publishes types, but is not installed everywhere)
    try:
        return import_module("prometheus_client")
    except ImportError as error:
        raise HostError(
            "metrics need prometheus-client, which is not installed",
            hint="Install it: apt-get install python3-prometheus-client, or pip install 'natfix[metrics]'.",
        ) from error
