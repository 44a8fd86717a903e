"""Threads that do what would hold up others: one task after the other, or one again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeAlias

Task: TypeAlias = Callable[[], None]


class Worker:
    """Does tasks in their order, in a thread of its own that ends with the process.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def submit(self, task: Task) -> None:
        """Do *task* when those before it are done; it must raise nothing."""
        self._tasks.put(task)

    def _run(self) -> None:
        while True:
            self._tasks.get()()


def start(name: str, run: Task) -> None:
    """Run something in a thread of its own that ends with the process."""
    threading.Thread(target=run, name=name, daemon=True).start()
