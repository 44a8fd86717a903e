"""Manual pages made from the program: one for each command, all that --help says in them, and nothing troff warns of."""

import re
import subprocess

import pytest
from typer.testing import CliRunner

from natfix.cli.main import COMMANDS, build
from natfix.errors import EXIT_DEFECT, EXIT_INTERRUPTED, NatfixError
from tools.manuals import pages

PAGES = pages("2026-11-23")
TROFF = ("groff", "-k", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=4000m")


def rendered(page: str) -> str:
    """Render a page as man(1) does; warnings are failures."""
    done = subprocess.run(TROFF, check=True, capture_output=True, text=True, input=page)
    assert done.stderr == ""
    # Signs as they are typed.
    return re.sub(r"[\u2010\u2212]", "-", done.stdout)


def helped(command: str) -> str:
    """What ``natfix COMMAND --help`` prints."""
    done = CliRunner().invoke(build([]), [*command.split(), "--help"], env={"COLUMNS": "4000"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return {name: rendered(page) for name, page in PAGES.items()}


def test_every_command_has_a_page_of_its_own() -> None:
    assert sorted(PAGES) == sorted(["natfix.1", *(f"natfix-{name}.1" for name in COMMANDS)])


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_a_page_tells_each_option_and_each_sentence_of_the_help(command: str, texts: dict[str, str]) -> None:
    page = " ".join(texts[f"natfix-{command}.1" if command else "natfix.1"].split())
    told = [" ".join(re.split(r"\s{2,}", line.strip(), maxsplit=1)[-1].split()) for line in helped(command).splitlines()]
    sentences = [line for line in told if line and not line.startswith("Usage:") and not line.endswith(":")]
    assert len(sentences) >= 2
    # What stands in backticks is bold in a manual.
    assert [line for line in sentences if line.replace("`", "") not in page] == []
    options = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", helped(command)))
    assert [option for option in options if option not in page] == []


def test_the_page_of_natfix_lists_commands_exit_codes_and_files(texts: dict[str, str]) -> None:
    page = texts["natfix.1"]
    assert [name for name in COMMANDS if f"natfix-{name}(1)" not in page] == []
    codes = {0, 1, EXIT_DEFECT, EXIT_INTERRUPTED, *(kind.exit_code for kind in NatfixError.__subclasses__())}
    assert [code for code in codes if not re.search(rf"^\s+{code}\s", page, re.MULTILINE)] == []
    assert "/etc/natfix/natfix.toml" in page
    assert "](" not in page


def test_a_page_says_how_the_program_is_called(texts: dict[str, str]) -> None:
    assert re.search(r"SYNOPSIS\n\s+natfix check \[OPTIONS\] \[SOURCE\]\.\.\.\n", texts["natfix-check.1"])
    assert re.search(r"NAME\n\s+natfix-check - Say which rules hide container addresses", texts["natfix-check.1"])
