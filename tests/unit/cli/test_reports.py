"""The forms of a result: printed, and written to files."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.unit.cli.program import BROAD, CIDR, CORRECTED, Program, dump

COMMAND = [sys.executable, "-m", "natfix", "check"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a bad and a good dump, to be in."""
    (tmp_path / "bad.save").write_bytes(dump(BROAD))
    (tmp_path / "good.save").write_bytes(dump(CORRECTED))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_several_forms_are_written_at_once_and_text_is_printed(natfix: Program, folder: Path) -> None:
    ended = natfix(
        "check", "bad.save", *CIDR, "--output", "sarif=a.sarif", "--output", "html=b.html", "--output", "junit=c.xml"
    )
    assert (ended.code, ended.complaint) == (1, "")
    assert ended.output.endswith("\n1 finding: 1 high\n")
    assert json.loads((folder / "a.sarif").read_text())["version"] == "2.1.0"
    assert (folder / "b.html").read_text().count("<svg ") == 2
    assert 'failures="1"' in (folder / "c.xml").read_text()


@pytest.mark.parametrize(
    ("form", "beginning"),
    [("github", "::error file=bad.save,line=3,"), ("markdown", "## natfix check"), ("html", "<!DOCTYPE html>")],
)
def test_a_form_can_be_printed(natfix: Program, folder: Path, form: str, beginning: str) -> None:
    ended = natfix("check", "bad.save", *CIDR, "--format", form)
    assert ended.code == 1
    assert ended.output.startswith(beginning)


def test_a_file_is_replaced_and_same_input_gives_same_bytes(natfix: Program, folder: Path) -> None:
    (folder / "a.html").write_text("old")
    (folder / "a.html").chmod(0o640)
    natfix("check", "bad.save", *CIDR, "--output", "html=a.html", "--output", "html=b.html")
    assert (folder / "a.html").read_bytes() == (folder / "b.html").read_bytes()
    assert (folder / "a.html").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in folder.iterdir()) == ["a.html", "b.html", "bad.save", "good.save"]


@pytest.mark.parametrize(
    ("outputs", "complaint"),
    [
        (
            ["yaml=a"],
            "--output yaml=a names no format and file\n  Write --output FORMAT=FILE; the formats are text, json, sarif,",
        ),
        (["sarif"], "names no format and file"),
        (["sarif="], "names no format and file"),
        (["html=-"], "names no format and file"),
        (["html=a", "json=./a"], "--output: ./a is another output, or what is looked at\n  Name another file.\n"),
        (["json=bad.save"], "--output: bad.save is another output, or what is looked at"),
        (["json=nowhere/a"], "natfix: cannot write nowhere/a"),
        (["json=/"], "natfix: cannot write /"),
    ],
)
def test_an_output_that_makes_no_sense_is_an_error(natfix: Program, folder: Path, outputs: list[str], complaint: str) -> None:
    ended = natfix("check", "bad.save", *CIDR, *(word for each in outputs for word in ("--output", each)))
    assert (ended.code, ended.output) == (2, "")
    assert complaint in ended.complaint
    assert sorted(path.name for path in folder.iterdir()) == ["bad.save", "good.save"]
    assert (folder / "bad.save").read_bytes() == dump(BROAD)


def test_a_broken_source_is_told_with_its_place_and_does_not_stop_the_others(natfix: Program, folder: Path) -> None:
    (folder / "broken.save").write_bytes(dump('-m comment --comment "open'))
    ended = natfix("check", "bad.save", "broken.save", "nowhere.save", "good.save", *CIDR, "--format", "json")
    assert ended.code == 2
    held = json.loads(ended.output)
    assert [table["source"] for table in held["tables"]] == ["bad.save", "good.save"]
    assert [(each["source"], each["line"]) for each in held["unread"]] == [("broken.save", 3), ("nowhere.save", None)]
    assert "natfix: broken.save, line 3, column" in ended.complaint
    assert "natfix: there is no file nowhere.save\n" in ended.complaint


def test_the_exit_code_of_an_unread_source_is_not_taken_back(natfix: Program, folder: Path) -> None:
    assert natfix("check", "good.save", "nowhere.save", *CIDR, "--exit-zero").code == 2
    assert natfix("check", "good.save", "bad.save", *CIDR).code == 1
    assert natfix("check", "good.save", "bad.save", *CIDR, "--exit-zero").code == 0


def test_many_sources_are_looked_at_by_several_processes_in_their_order(natfix: Program, folder: Path) -> None:
    for number in range(40):
        subnet = f"172.7.{number}.0/24"
        (folder / f"h{number:02}.save").write_bytes(dump(BROAD.replace("172.7.21.0/24", subnet)))
    names = [f"h{number:02}.save" for number in range(40)]
    ended = natfix("check", *names, *CIDR, "--output", "json=all.json")
    assert ended.code == 1
    assert ended.complaint == ""
    assert "40 sources, 40 nat tables, 40 rules looked at" in ended.output
    assert "NAT001 high over-broad-masquerade: 40 findings in 40 sources" in ended.output
    held = json.loads((folder / "all.json").read_text())
    assert [table["source"] for table in held["tables"]] == names


SLOW = """
import os, time
from pathlib import Path
from natfix.cli.main import main
from natfix.host import workers

def slow(source):
    Path(f"at-work.{os.getpid()}").touch()
    time.sleep(600)

class Slow(workers.HostWorkers):
    def __init__(self):
        super().__init__(3)

    def each(self, work, things):
        return super().each(slow, things)

workers.HostWorkers = Slow
main(["check", *["x.save"] * 40, "--cluster-cidr", "172.7.0.0/16"])
"""


def test_ctrl_c_ends_with_130_and_leaves_no_process(folder: Path) -> None:
    started = subprocess.Popen(
        [sys.executable, "-c", SLOW], start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        deadline = time.monotonic() + 60
        while len(found := list(folder.glob("at-work.*"))) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(started.pid, signal.SIGINT)
        output, complaint = started.communicate(timeout=60)
        assert (started.returncode, output, complaint) == (130, b"", b"")
        assert not any(Path(f"/proc{path.suffix.replace('.', '/')}").exists() for path in found)
    finally:
        started.kill()
        started.wait()


def test_a_bar_is_shown_on_a_terminal_alone_and_leaves_no_trace_in_what_is_printed(folder: Path) -> None:
    words = [*COMMAND, *["good.save"] * 30, *CIDR]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with_bar = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=theirs, env=environment, timeout=60).stdout
    os.close(theirs)
    shown = os.read(ours, 100_000)
    os.close(ours)
    assert b"30/30" in shown
    without = subprocess.run(words, check=True, capture_output=True, env=environment, timeout=60)
    assert (without.stdout, without.stderr) == (with_bar, b"")
    few = subprocess.run([*COMMAND, "good.save", *CIDR], check=True, capture_output=True, env=environment, timeout=60)
    assert few.stderr == b""
