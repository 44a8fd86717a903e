"""Start a process that outlives this one, its terminal and its login (daemon(7), credentials(7)).

Twice forked, in a session of its own that has no terminal and can get none; hang-ups are ignored. Between fork and exec runs
Python, which a program with threads should not do: natfix has none.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

from natfix.errors import HostError

_STARTED: Final = "started"


def detach(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Start *command* in the folder /, with nothing open but /dev/null; it is running when this returns.

    Args:
        command: the program, looked for in the PATH of *environment*, and its arguments.
        environment: all variables it gets.

    Raises:
        HostError: it could not be started.
    """
    answers, told = os.pipe()
    with os.fdopen(answers, encoding="utf-8", errors="replace") as stream:
        child = os.fork()
        if child == 0:
            _first_child(command, environment, told)
        os.close(told)
        os.waitpid(child, 0)
        # The pipe ends when exec closes it, or with the process.
        answer = stream.read()
    if answer != _STARTED:
        what = answer.removeprefix(_STARTED) or "its process ended at once"
        raise HostError(f"cannot start {command[0]}: {what}", hint="Without it nothing would undo the change.")


def _first_child(command: Sequence[str], environment: Mapping[str, str], told: int) -> NoReturn:
    """Lead a session only to leave it: a process that leads none can get no terminal."""
    try:
        told = fcntl.fcntl(told, fcntl.F_DUPFD_CLOEXEC, 3)
        os.setsid()
        if os.fork() == 0:
            _let_go(told)
            os.write(told, _STARTED.encode())
            os.execvpe(command[0], list(command), environment)  # noqa: S606  (no shell is wanted)
    except BaseException as error:  # noqa: BLE001  (whatever it is, this copy of natfix must not go on)
        os.write(told, str(error).encode("utf-8", "replace"))
    finally:
        os._exit(0)


def _let_go(keep: int) -> None:
    """Drop what ties a process to where it was started: open files, folder, signals."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    os.closerange(3, keep)
    os.closerange(keep + 1, os.sysconf("SC_OPEN_MAX"))
    os.chdir("/")
    os.umask(0o077)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
