"""Where the ``natfix`` command begins, before anything slow is imported, and where it ends."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line with the garbage collector at rest.

    Importing makes many objects that all live to the end, and the collector looks through them again and again: that is a
    fifth of the time of a short command. Cycles that a command makes are freed with its process; what runs for days has to
    call ``gc.enable()``.
    """
    gc.disable()
    from natfix.cli.main import main as run  # noqa: PLC0415  (after the line above)

    try:
        run()
    except SystemExit as ended:
        _end(ended)


def _end(ended: SystemExit) -> NoReturn:
    """End the process, and leave its memory to the kernel: to free each object first is an eighth of a short command's time.

    What the interpreter would do beside that is done: functions for the end of the process are called, what was written is
    flushed. Where that fails, where other threads run or where the code is a text, the interpreter ends as it always does.
    """
    threading = sys.modules.get("threading")
    alone = threading is None or threading.active_count() == 1
    if not alone or not isinstance(ended.code, int | None):
        raise ended
    atexit._run_exitfuncs()  # noqa: SLF001  (as the interpreter does; multiprocessing's children end the same way)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        raise ended from None
    os._exit(ended.code or 0)
