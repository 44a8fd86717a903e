"""A bar that shows how far a long look has come; on a terminal only, and only when there is much to look at."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator

_MUCH = 20


@contextlib.contextmanager
def progress(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar of *total* steps on standard error, gone when it is done; each call of what is given is a step."""
    if total < _MUCH or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415  (50 ms)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    columns = (TextColumn("looking at"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
