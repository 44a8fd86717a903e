"""natfix/cli/start.py: how the process ends."""

import atexit
import gc
import os
import sys
import threading
from io import StringIO

import pytest

from natfix.cli import main as cli
from natfix.cli.start import main


class Ended(Exception):  # noqa: N818  (it stands for the end of the process)
    """In the place of os._exit."""


class Full(StringIO):
    """An output that takes no more."""

    def flush(self) -> None:
        raise OSError(28, "No space left on device")


@pytest.fixture(autouse=True)
def _no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Ended(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(atexit, "_run_exitfuncs", lambda: sys.stdout.write("called\n"))
    monkeypatch.setattr(gc, "disable", lambda: None)  # The tests go on.


def ending(monkeypatch: pytest.MonkeyPatch, code: object) -> BaseException:
    """What comes out of a command that ends with *code*."""

    def run() -> None:
        raise SystemExit(code)

    monkeypatch.setattr(cli, "main", run)
    with pytest.raises((Ended, SystemExit)) as caught:
        main()
    return caught.value


@pytest.mark.parametrize(("code", "told"), [(None, 0), (0, 0), (3, 3)])
def test_a_short_command_ends_at_once_with_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int | None, told: int
) -> None:
    ended = ending(monkeypatch, code)
    assert (type(ended), ended.args) == (Ended, (told,))
    assert capsys.readouterr().out == "called\n"


def test_a_code_that_is_a_text_is_for_the_interpreter_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = ending(monkeypatch, "words")
    assert (type(ended), ended.args) == (SystemExit, ("words",))


def test_an_output_that_takes_no_more_is_for_the_interpreter_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Full())
    assert type(ending(monkeypatch, 0)) is SystemExit


def test_other_threads_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    try:
        assert type(ending(monkeypatch, 0)) is SystemExit
    finally:
        stop.set()
        other.join()
