"""Threads that do what would hold up others: one task after the other, or one again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Task: TypeAlias = Callable[[], None]
Defect: TypeAlias = Callable[[Exception], None]


class Worker:
    """Does tasks in their order, in a thread of its own that ends with the process.

    Args:
        name: of the thread.
        broken: is told of the exception that ended the thread, which is a defect.
    """

    def __init__(self, name: str, broken: Defect) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        start(name, self._run, broken)

    def submit(self, task: Task) -> None:
        """Do *task* when those before it are done."""
        self._tasks.put(task)

    def _run(self) -> None:
        while True:
            self._tasks.get()()


def start(name: str, run: Task, broken: Defect) -> None:
    """Run something in a thread of its own that ends with the process; *broken* is told of an exception that ends it."""

    def guarded() -> None:
        try:
            run()
        except Exception as error:  # noqa: BLE001  (a defect must end the process, not a thread of it)
            broken(error)

    threading.Thread(target=guarded, name=name, daemon=True).start()
