import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from natfix.app.many import Workers
from natfix.errors import HostError
from natfix.host.memory.workers import MemoryWorkers
from natfix.host.workers import HostWorkers

ALL = pytest.mark.parametrize("workers", [MemoryWorkers(), HostWorkers(1), HostWorkers(3)], ids=["memory", "one", "three"])
THINGS = range(100)


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = _children()
    yield
    assert _children() == before


def _children() -> list[str]:
    return sorted(word for path in Path("/proc/self/task").glob("*/children") for word in path.read_text().split())


@ALL
def test_things_come_back_in_their_order(workers: Workers) -> None:
    assert list(workers.each(lambda number: number * 2, THINGS)) == [number * 2 for number in THINGS]


@ALL
def test_of_nothing_nothing_comes(workers: Workers) -> None:
    assert list(workers.each(lambda number: number, ())) == []


@ALL
def test_more_than_a_pipe_holds_comes_through(workers: Workers) -> None:
    made = list(workers.each(lambda number: bytes([number]) * 100_000, THINGS))
    assert [each[0] for each in made] == list(THINGS)
    assert {len(each) for each in made} == {100_000}


@ALL
def test_work_that_fails_says_why(workers: Workers) -> None:
    def fail(number: int) -> int:
        if number == 50:
            raise ZeroDivisionError
        return number

    done = workers.each(fail, THINGS)
    assert [next(done) for _ in range(50)] == list(range(50))
    with pytest.raises((ZeroDivisionError, RuntimeError)) as caught:
        next(done)
    assert "ZeroDivisionError" in repr(caught.value) + str(caught.value)


@ALL
def test_who_stops_asking_leaves_no_process(workers: Workers) -> None:
    done = workers.each(lambda number: bytes(100_000) + bytes([number]), THINGS)
    assert next(done)
    getattr(done, "close", lambda: None)()


def test_several_processes_share_the_work() -> None:
    assert len(set(HostWorkers(3).each(_process, THINGS))) == 3
    assert os.getpid() not in set(HostWorkers(3).each(_process, THINGS))
    assert set(HostWorkers(3).each(_process, range(4))) == {os.getpid()}


def _process(_: int) -> int:
    return os.getpid()


def test_a_process_that_was_ended_is_an_error_and_leaves_none() -> None:
    def end(number: int) -> int:
        if number == 40:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(HostError, match="ended by somebody"):
        list(HostWorkers(3).each(end, THINGS))


def test_what_cannot_be_sent_is_an_error() -> None:
    def odd(_: int) -> Callable[[], None]:
        return lambda: None

    with pytest.raises(HostError):
        list(HostWorkers(2).each(odd, THINGS))
