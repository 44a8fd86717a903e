"""Waiting for what comes by itself."""

import time
from collections.abc import Callable

# How long it may take on a machine that has much else to do; a test that passes waits no longer than it has to.
SECONDS = 150.0


def eventually(what: Callable[[], bool], seconds: float = SECONDS) -> bool:
    """Wait until *what* holds; tell whether it did in time."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
