"""A meter that remembers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from natfix.app.metrics import Labels, Meter, Metric


class MemoryMeter(Meter):
    """Keeps numbers in this object; see Meter.

    Attributes:
        durations: for each histogram what it was told, with the values of its labels, in order.
        stamped: how often each gauge was given the time of day.
        published: how often all was published.
    """

    def __init__(self) -> None:
        self.durations: dict[Metric, list[tuple[Labels, float]]] = defaultdict(list)
        self.stamped: dict[Metric, int] = defaultdict(int)
        self.published = 0
        self._values: dict[Metric, dict[Labels, float]] = defaultdict(dict)

    def value(self, metric: Metric, *labels: str) -> float | None:
        """What a gauge or a counter is now; None for a gauge of which nobody has said anything."""
        known = self._values[metric].get(_fitting(metric, labels))
        begins = metric.kind == "counter" and (not metric.labels or labels in metric.known)
        return 0.0 if known is None and begins else known

    def values(self, metric: Metric) -> Mapping[Labels, float]:
        """All values of a gauge or a counter, by those of its labels."""
        return dict(self._values[metric])

    def put(self, metric: Metric, value: float, *labels: str) -> None:
        """Remember a gauge."""
        self._values[metric][_fitting(metric, labels)] = value

    def put_only(self, metric: Metric, values: Mapping[Labels, float]) -> None:
        """Remember a gauge, and forget what it was."""
        self._values[metric] = {_fitting(metric, labels): value for labels, value in values.items()}

    def stamp(self, metric: Metric) -> None:
        """Remember that it was now."""
        self.stamped[metric] += 1

    def add(self, metric: Metric, *labels: str, number: float = 1) -> None:
        """Count."""
        before = self._values[metric].get(_fitting(metric, labels), 0.0)
        self._values[metric][labels] = before + number

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Remember a duration."""
        self.durations[metric].append((_fitting(metric, labels), seconds))

    def publish(self) -> None:
        """Count that."""
        self.published += 1


def _fitting(metric: Metric, labels: Labels) -> Labels:
    if len(labels) != len(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, and not {len(labels)}")
    return labels
