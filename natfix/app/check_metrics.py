"""What one check found, for a monitoring system that reads it later: on hosts where no natfix runs all the time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from natfix.app import metrics
from natfix.app.cluster import Cluster
from natfix.app.guard import look
from natfix.app.machine import Machine
from natfix.app.metrics import Meter
from natfix.app.record import journeys
from natfix.app.undone import undone_of
from natfix.errors import NatfixError
from natfix.report.document import readable
from natfix.report.model import CheckResult


def tell_check(meter: Meter, result: CheckResult, code: int) -> None:
    """Tell what was found, and how the check ends."""
    # A file's name need not be UTF-8, but a label is.
    places = Counter[metrics.Labels](
        (each.finding.kind.id, str(each.finding.severity), readable(each.table.source)) for each in result.places
    )
    rules = Counter[str]()
    for table in result.tables:
        rules[readable(table.source)] += table.rules
    meter.put_only(metrics.CHECK_FINDINGS, places)
    meter.put_only(metrics.CHECK_RULES, {(source,): number for source, number in rules.items()})
    meter.put(metrics.CHECK_UNREAD, len(result.unread))
    meter.put(metrics.CHECK_LEFT_OUT, result.left_out)
    meter.put(metrics.CHECK_EXIT, code)
    meter.stamp(metrics.CHECK_TIME)


def tell_failure(meter: Meter, error: NatfixError) -> None:
    """Tell that nothing could be told; what was found before is no longer said."""
    meter.put_only(metrics.CHECK_FINDINGS, {})
    meter.put(metrics.CHECK_EXIT, error.exit_code)
    meter.stamp(metrics.CHECK_TIME)


def tell_guard(meter: Meter, machine: Machine, clusters: Sequence[Cluster]) -> None:
    """Tell how the guard of this host is, and what is left alone since somebody has undone it.

    Raises:
        HostError: the host cannot be read.
    """
    report = look(machine, clusters)
    meter.put(metrics.GUARD_WANTED, report.wanted)
    meter.put(metrics.GUARD_STANDING, report.wanted and report.right)
    meter.put(metrics.LEFT_ALONE, len(undone_of(journeys(machine.history)).told))
