"""Processes that share the work on many things.

Forked, so that what was read and imported is there at once. Each takes every n-th thing and sends what it made of it through a
pipe of its own; a full pipe makes it wait. One whose reader is gone ends by itself, so that none outlives natfix.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import IO, Any, Final, NoReturn

from natfix.app.many import Made, Thing, Workers
from natfix.errors import HostError

# To fork costs about as much as to look at this many small rulesets.
_WORTH: Final = 8


def _processors() -> int:
    """How many processors this process may use; systems other than Linux tell only how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class HostWorkers(Workers):
    """As many processes as natfix may use processors.

    Args:
        count: use this many instead.
    """

    def __init__(self, count: int | None = None) -> None:
        self._count = count or _processors()

    def each(self, work: Callable[[Thing], Made], things: Sequence[Thing]) -> Iterator[Made]:
        """Give what *work* makes of each thing, in the order of the things."""
        count = min(self._count, len(things) // _WORTH)
        if count <= 1:
            yield from map(work, things)
            return
        helpers: list[_Helper] = []
        try:
            for number in range(count):
                helpers.append(_Helper.start(work, things[number::count], helpers))
            for number in range(len(things)):
                yield helpers[number % count].next()
        finally:
            for helper in helpers:
                helper.end()


class _Helper:
    """One process and the pipe it sends through."""

    def __init__(self, pid: int, stream: IO[bytes]) -> None:
        self.pid = pid
        self.stream = stream

    @classmethod
    def start(cls, work: Callable[[Thing], Made], things: Sequence[Thing], others: Sequence[_Helper]) -> _Helper:
        """Start a process.

        Raises:
            HostError: there can be no more processes or files.
        """
        try:
            ours, theirs = os.pipe()
            pid = os.fork()
        except OSError as error:
            raise HostError(f"cannot start a process: {error.strerror}", hint="Check fewer sources at once.") from error
        if not pid:
            try:
                for stream in (*(each.stream.fileno() for each in others), ours):
                    os.close(stream)
                _serve(work, things, theirs)
            finally:  # Whatever happens, such as Ctrl-C: this process must not go on as if it were the one it came from.
                os._exit(1)
        os.close(theirs)
        return cls(pid, os.fdopen(ours, "rb"))

    def next(self) -> Any:  # noqa: ANN401  (whatever the work makes)
        """What it made of its next thing.

        Raises:
            HostError: it was ended.
            RuntimeError: the work failed; the message is its traceback.
        """
        import pickle  # noqa: PLC0415  (most checks are of one source, and need no process)

        try:
            done, made = pickle.load(self.stream)  # noqa: S301  (from a process of our own)
        except (EOFError, pickle.UnpicklingError) as error:
            hint = "If the kernel was out of memory (see dmesg), check fewer sources at once."
            raise HostError("a process of natfix was ended by somebody", hint=hint) from error
        if not done:
            raise RuntimeError(made)
        return made

    def end(self) -> None:
        """End it, whether it has finished or not, and forget it."""
        import signal  # noqa: PLC0415

        self.stream.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def _serve(work: Callable[[Thing], Made], things: Sequence[Thing], pipe: int) -> NoReturn:
    """Do the work as a process of its own, which shares the other one's open files and must not flush what waits in them."""
    import pickle  # noqa: PLC0415
    import signal  # noqa: PLC0415
    import traceback  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        with os.fdopen(pipe, "wb") as stream:
            for thing in things:
                pickle.dump(_made(work, thing), stream, pickle.HIGHEST_PROTOCOL)
                stream.flush()
    except OSError:  # Whoever wanted it is gone.
        os._exit(1)
    except BaseException:  # noqa: BLE001  (a process that came here by a fork must end here)
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _made(work: Callable[[Thing], Made], thing: Thing) -> tuple[bool, Made | str]:
    try:
        return True, work(thing)
    except Exception:  # noqa: BLE001  (it is raised again where it is waited for)
        import traceback  # noqa: PLC0415

        return False, traceback.format_exc()
