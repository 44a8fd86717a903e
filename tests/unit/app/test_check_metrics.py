"""natfix/app/check_metrics.py: what a monitoring system reads of one check."""

from natfix.app import metrics
from natfix.app.apply import apply_change
from natfix.app.check_metrics import tell_check, tell_failure, tell_guard
from natfix.app.guard import turn_on
from natfix.app.undo import undo
from natfix.errors import HostError
from natfix.host.memory.metrics import MemoryMeter
from natfix.plan.guard import GuardChange
from natfix.report.model import CheckResult
from tests.unit.app.twins import BROAD, host, wishes
from tests.unit.report.results import looked_at, simple, suppressed, unread


def test_findings_are_counted_by_rule_severity_and_source() -> None:
    meter = MemoryMeter()
    result = looked_at(simple())
    tell_check(meter, result, 1)
    ((labels, number),) = meter.values(metrics.CHECK_FINDINGS).items()
    assert (labels[:2], labels[2], number) == (("NAT001", "high"), result.tables[0].source, 1)
    assert meter.values(metrics.CHECK_RULES) == {(result.tables[0].source,): result.tables[0].rules}
    assert [meter.value(one) for one in (metrics.CHECK_EXIT, metrics.CHECK_UNREAD, metrics.CHECK_LEFT_OUT)] == [1, 0, 0]
    assert meter.stamped[metrics.CHECK_TIME] == 1


def test_two_findings_of_a_kind_in_one_source_are_one_number() -> None:
    meter = MemoryMeter()
    result = looked_at(simple())
    tell_check(meter, CheckResult((*result.tables, *result.tables)), 1)
    assert list(meter.values(metrics.CHECK_FINDINGS).values()) == [2]
    assert list(meter.values(metrics.CHECK_RULES).values()) == [2 * result.tables[0].rules]


def test_what_could_not_be_looked_at_is_counted() -> None:
    meter = MemoryMeter()
    tell_check(meter, CheckResult(suppressed().tables, unread=(unread(),)), 2)
    assert [meter.value(one) for one in (metrics.CHECK_EXIT, metrics.CHECK_UNREAD, metrics.CHECK_LEFT_OUT)] == [2, 1, 3]


def test_a_source_whose_name_is_no_text_is_told_as_text() -> None:
    meter = MemoryMeter()
    tell_check(meter, looked_at(simple(), "bad\udcff.save"), 1)
    (labels,) = meter.values(metrics.CHECK_FINDINGS)
    assert labels[2].encode().startswith("bad\N{REPLACEMENT CHARACTER}.save".encode())


def test_a_failure_takes_back_what_was_found_before() -> None:
    meter = MemoryMeter()
    tell_check(meter, looked_at(simple()), 1)
    tell_failure(meter, HostError("no rights"))
    assert meter.values(metrics.CHECK_FINDINGS) == {}
    assert (meter.value(metrics.CHECK_EXIT), meter.stamped[metrics.CHECK_TIME]) == (2, 2)


def test_a_guard_that_nobody_wants_and_one_that_stands_and_one_that_is_gone() -> None:
    machine, told = host(BROAD).machine, []

    def look() -> None:
        meter = MemoryMeter()
        tell_guard(meter, machine, wishes().clusters)
        told.append([meter.value(one) for one in (metrics.GUARD_WANTED, metrics.GUARD_STANDING, metrics.LEFT_ALONE)])

    look()
    turn_on(machine, wishes().clusters)
    look()
    machine.guard.put(GuardChange(machine.guard.read().guards, ()))
    look()
    assert told == [[0, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_what_was_undone_is_counted() -> None:
    on = host(BROAD)
    undo(on.machine, apply_change(on.machine, wishes(persist=False), "apply").id)
    meter = MemoryMeter()
    tell_guard(meter, on.machine, wishes().clusters)
    assert meter.value(metrics.LEFT_ALONE) == 1
