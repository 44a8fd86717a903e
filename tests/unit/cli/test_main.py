import subprocess
import sys
from pathlib import Path

import pytest

from natfix import __version__
from natfix.cli.main import COMMANDS
from natfix.errors import EXIT_FOUND, EXIT_INTERRUPTED, EXIT_OK
from tests.unit.cli.program import BROAD, CIDR, Program, dump


def run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "natfix", *words]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(natfix: Program, command: str) -> None:
    ended = natfix(command, "--help")
    assert (ended.code, ended.complaint) == (0, "")
    assert ended.output.startswith(f"Usage: natfix {command} ")
    assert natfix(command, "-h") == ended


def test_all_commands_are_listed_with_what_they_do(natfix: Program) -> None:
    ended = natfix("--help")
    assert ended.code == 0
    lines = [" ".join(line.split()) for line in ended.output.splitlines()]
    for command, summary in COMMANDS.items():
        assert any(line.startswith(f"{command} {summary[:30]}") for line in lines), command


def test_without_a_command_the_help_is_shown(natfix: Program) -> None:
    ended = natfix()
    assert ended.code == 2
    assert "Usage: natfix" in ended.output + ended.complaint


@pytest.mark.parametrize("action", ["on", "status"])
def test_only_a_guard_that_is_turned_off_is_forgotten(natfix: Program, action: str) -> None:
    ended = natfix("guard", action, "--forget")
    assert (ended.code, ended.output) == (2, "")
    assert "--forget is for natfix guard off" in ended.complaint


def test_the_version_is_told(natfix: Program) -> None:
    assert natfix("--version") == (0, f"natfix {__version__}\n", "")


@pytest.mark.parametrize(
    "words", [["chek"], ["check", "--bogus"], ["check", "-", "--format", "yaml"], ["apply", "--wait", "-1"], ["undo", "1", "2"]]
)
def test_what_makes_no_sense_ends_with_2_and_a_complaint(natfix: Program, words: list[str]) -> None:
    ended = natfix(*words)
    assert (ended.code, ended.output) == (2, "")
    assert "Usage: natfix" in ended.complaint


def test_a_word_that_is_a_commands_name_may_be_an_argument(natfix: Program) -> None:
    ended = natfix("check", "history", *CIDR)
    assert (ended.code, ended.complaint) == (
        2,
        "natfix: there is no file history\n  Make one with: iptables-save > dump.save\n",
    )


def test_a_defect_ends_with_a_code_of_its_own_and_not_with_that_of_findings(
    natfix: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("natfix.cli.text_wiring.form_of", fail)
    ended = natfix("check", "-", *CIDR)
    assert ended.code not in {EXIT_OK, EXIT_FOUND, 2, EXIT_INTERRUPTED}
    assert "ZeroDivisionError" in ended.complaint
    assert ended.complaint.endswith("natfix: this is a defect of natfix; please report it with the lines above\n")


def test_ctrl_c_ends_with_130(natfix: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("natfix.cli.text_wiring.form_of", interrupt)
    assert natfix("check", "-", *CIDR) == (EXIT_INTERRUPTED, "", "")


def test_an_output_that_takes_nothing_is_an_error_and_no_finding(tmp_path: Path) -> None:
    (tmp_path / "dump.save").write_bytes(dump(BROAD))
    with Path("/dev/full").open("wb") as full:
        command = [sys.executable, "-m", "natfix", "check", str(tmp_path / "dump.save"), *CIDR]
        done = subprocess.run(command, check=False, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2, "natfix: cannot write to standard output: No space left on device\n  The command itself was carried out.\n",
    )  # fmt: skip


def test_help_needs_none_of_the_parts_that_take_long_to_import() -> None:
    script = """
import sys
from natfix.cli.main import main
try:
    main(["check", "--help"])
finally:
    print(*sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=60)
    loaded = done.stdout.splitlines()[-1].split()
    assert {"rich.console", "natfix.audit", "natfix.host.iptables", "iptc", "pyroute2"} & set(loaded) == set()
