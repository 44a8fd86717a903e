import os
import pty
import subprocess
import sys

import pytest

from tests.unit.cli.program import BROAD, CIDR, dump

COMMAND = [sys.executable, "-m", "natfix", "check", "-", *CIDR]


def on_a_terminal(**variables: str) -> bytes:
    """What natfix prints on a terminal."""
    ours, theirs = pty.openpty()
    environment = {**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, "TERM": "xterm", **variables}
    try:
        subprocess.run(COMMAND, check=False, input=dump(BROAD), stdout=theirs, env=environment, timeout=60)
        os.close(theirs)
        return read_all(ours)
    finally:
        os.close(ours)


def read_all(terminal: int) -> bytes:
    found = b""
    while True:
        try:
            part = os.read(terminal, 10_000)
        except OSError:  # The other side is closed.
            return found
        if not part:
            return found
        found += part


def test_a_terminal_gets_colours() -> None:
    assert b"\x1b[1;31mNAT001 high" in on_a_terminal()


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_nobody_wants_it(variables: dict[str, str]) -> None:
    printed = on_a_terminal(**variables)
    assert b"NAT001 high" in printed
    assert b"\x1b" not in printed


def test_a_pipe_gets_plain_text_of_the_same_words() -> None:
    piped = subprocess.run(COMMAND, check=False, input=dump(BROAD), capture_output=True, timeout=60).stdout
    assert b"\x1b" not in piped
    assert on_a_terminal(NO_COLOR="1").replace(b"\r\n", b"\n") == piped


def test_long_lines_are_not_cut_on_a_narrow_terminal() -> None:
    assert BROAD.encode() in on_a_terminal(COLUMNS="20")


def test_rules_do_not_speak_to_the_terminal() -> None:
    text = dump(f'-m comment --comment "[bold]x[/bold] :smile:" {BROAD}')
    ours, theirs = pty.openpty()
    subprocess.run(COMMAND, check=False, input=text, stdout=theirs, env={**os.environ, "TERM": "xterm"}, timeout=60)
    os.close(theirs)
    assert b"[bold]x[/bold] :smile:" in read_all(ours)
    os.close(ours)
