"""Where the ``natfix`` command begins, before anything slow is imported."""

from __future__ import annotations

import gc
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the garbage collector at rest.

    Importing makes many objects that all live to the end, and the collector looks through them again and again: that is a
    fifth of the time of a short command. Cycles that a command makes are freed with its process; what runs for days has to
    call ``gc.enable()``.
    """
    gc.disable()
    from natfix.cli.main import main as run  # noqa: PLC0415  (after the line above)

    run()
