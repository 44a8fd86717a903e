from datetime import UTC, datetime, timedelta

import pytest

from natfix.app.ports import Clock
from natfix.host.clock import HostClock
from natfix.host.memory.clock import MemoryClock


@pytest.mark.parametrize("clock", [MemoryClock(), HostClock()], ids=["memory", "host"])
def test_the_time_knows_its_zone_and_does_not_go_back(clock: Clock) -> None:
    first, second = clock.now(), clock.now()
    assert first.utcoffset() is not None
    assert first <= second


def test_the_clock_of_the_host_shows_the_time_of_day() -> None:
    before = datetime.now(UTC)
    assert before <= HostClock().now() <= datetime.now(UTC)


def test_the_twin_goes_on_when_told() -> None:
    clock = MemoryClock()
    before = clock.now()
    clock.advance(61.5)
    assert clock.now() - before == timedelta(seconds=61.5)
