"""Threads beside the agent's: tasks in their order, and no thread that ends in silence."""

import threading
from queue import SimpleQueue

from natfix.host.worker import Worker, start

PATIENCE = 30.0


def test_tasks_are_done_in_their_order_in_a_thread_of_its_own() -> None:
    done: SimpleQueue[tuple[int, str]] = SimpleQueue()
    worker = Worker("lease", lambda error: None)
    for number in range(3):
        worker.submit(lambda number=number: done.put((number, threading.current_thread().name)))  # type: ignore[misc]
    assert [done.get(timeout=PATIENCE) for _ in range(3)] == [(0, "lease"), (1, "lease"), (2, "lease")]


def fail() -> None:
    raise ZeroDivisionError


def test_a_defect_is_told_and_no_thread_ends_in_silence() -> None:
    told: SimpleQueue[Exception] = SimpleQueue()
    Worker("lease", told.put).submit(fail)
    assert isinstance(told.get(timeout=PATIENCE), ZeroDivisionError)
    start("kernel", fail, told.put)
    assert isinstance(told.get(timeout=PATIENCE), ZeroDivisionError)
