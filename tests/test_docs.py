"""What the documents say is true: their commands run and print what is written, their links lead somewhere."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from natfix.cli.main import COMMANDS
from natfix.errors import (
    EXIT_DEFECT,
    EXIT_INTERRUPTED,
    BusyError,
    ConflictError,
    NatfixError,
    RolledBackError,
    UnsupportedError,
)
from tests.docs_session import ROOT, blocks, keeps, play, steps

PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
PLAYED = [page for page in PAGES if steps(page)]


def name(page: Path) -> str:
    return page.name


@pytest.mark.kernel
@pytest.mark.parametrize("page", PLAYED, ids=name)
def test_every_command_prints_what_the_page_says(page: Path) -> None:
    promised = steps(page)
    printed = play([step.command for step in promised])
    for step, output in zip(promised, printed, strict=True):
        assert keeps(step.promised, output), f"{page.name}: {step.command} printed\n{output}"


def test_a_promise_that_is_not_kept_is_seen() -> None:
    assert keeps(("one", "…", "undo …-1"), "one\ntwo\nthree\nundo 5-1\n")
    assert not keeps(("one", "…", "undo …-1"), "two\nundo 5-1\n")
    assert not keeps((), "a warning nobody promised\n")


def test_the_readme_plays_check_diff_apply_and_undo() -> None:
    commands = [step.command for step in steps(ROOT / "README.md")]
    assert commands == ["natfix check", "natfix diff", "natfix apply", "natfix undo"]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_block_is_of_a_kind_that_is_tested(page: Path) -> None:
    assert {language for language, _ in blocks(page)} <= {"console", "diff", "sh", "toml", "python", "json", "yaml"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_make_target_named_is_there(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shells = [text for language, text in blocks(page) if language == "sh"]
    named = {word for text in shells for word in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE)}
    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_leads_to_a_file_of_the_repository(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


def test_every_command_is_in_the_table_of_commands() -> None:
    table = (ROOT / "docs" / "commands.md").read_text()
    assert all(f"| `natfix {command}" in table for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_documented(command: str) -> None:
    shown = subprocess.run(["natfix", command, "--help"], check=True, capture_output=True, text=True, env=_wide()).stdout
    pages = [ROOT / "docs" / f"{name}.md" for name in ("commands", command)]
    documented = "".join(page.read_text() for page in pages if page.exists())
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", shown)) - {"--help"}:
        assert option in documented, f"natfix {command} {option}"


def test_every_exit_code_is_documented() -> None:
    table = (ROOT / "docs" / "commands.md").read_text()
    errors = (NatfixError, ConflictError, RolledBackError, UnsupportedError, BusyError)
    for code in (0, 1, EXIT_DEFECT, EXIT_INTERRUPTED, *(error.exit_code for error in errors)):
        assert f"| {code} |" in table


def test_every_audit_rule_is_in_the_table_of_rules() -> None:
    table = (ROOT / "docs" / "rules.md").read_text()
    for path in (ROOT / "rules").glob("*/*.toml"):
        assert f"| [{path.name[:6]}](rules/{path.name[:6]}.md) |" in table


def test_every_schema_is_on_the_page_of_the_json() -> None:
    page = (ROOT / "docs" / "json.md").read_text()
    assert [path.name for path in (ROOT / "docs" / "schemas").glob("*.json") if f"(schemas/{path.name})" not in page] == []


def test_every_unit_has_the_capabilities_that_the_security_model_says() -> None:
    rows = (ROOT / "docs" / "security-model.md").read_text().partition("## The units")[2].splitlines()
    said = {
        name.strip(): row.split("|")[2] for row in rows if row.startswith("| natfix-") for name in row.split("|")[1].split(",")
    }
    units = {path.stem: path.read_text() for path in (ROOT / "systemd").glob("*.service")}
    assert set(said) == set(units)
    for name, text in units.items():
        held = re.search(r"^CapabilityBoundingSet=(.+)$", text, re.MULTILINE)
        assert set(re.findall(r"[A-Z]+_[A-Z]+", said[name])) == set(held[1].replace("CAP_", "").split() if held else ())
        assert bool(held) == ("NoNewPrivileges=yes" in text)


def _wide() -> dict[str, str]:
    import os  # noqa: PLC0415  (one place)

    return {**os.environ, "COLUMNS": "300", "PATH": f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_example_of_a_python_prompt_prints_what_the_page_says(page: Path) -> None:
    import doctest  # noqa: PLC0415  (here alone)

    known: dict[str, object] = {}
    runner = doctest.DocTestRunner()
    texts = [text for language, text in blocks(page) if language == "python" and ">>> " in text]
    for number, text in enumerate(texts):
        example = doctest.DocTestParser().get_doctest(text, known, f"{page.name}, block {number}", str(page), 0)
        complaint: list[str] = []
        runner.run(example, out=complaint.append, clear_globs=False)
        known = example.globs
        assert not complaint, "".join(complaint)


def test_the_routing_core_has_examples() -> None:
    assert any(">>> " in text for _, text in blocks(ROOT / "docs" / "routing.md"))
