"""What CONTRIBUTING.md promises a stranger: its steps, carried out as they are written, in a copy of the tree."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs_session import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
PARTS = dict(re.findall(r"^## (Add .+?), in ten minutes\n(.*?)(?=^## )", TEXT, re.MULTILINE | re.DOTALL))
FILE = re.compile(r"`(\S+)`\n\n<!-- file: (\S+) -->\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DIFF = re.compile(r"^```diff\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what the steps need, with nothing that a run left behind."""
    unwanted = shutil.ignore_patterns("__pycache__", "machine", "kernel")
    for name in ("natfix", "rules", "docs", "tools", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=unwanted)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    # The environment that runs this test; its natfix is that of the tree, which stands before it on the path.
    (tmp_path / ".venv").symlink_to(Path(sys.executable).parents[1])
    return tmp_path


def run(tree: Path, *words: str) -> str:
    unsettled = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    env = {**unsettled, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(words, cwd=tree, check=False, capture_output=True, text=True, env=env, timeout=300)
    said = done.stdout + done.stderr
    assert done.returncode == 0, f"{' '.join(words)}\n{said}"
    return said


def write(tree: Path, part: str) -> None:
    """Write the files that *part* shows, and make its changes."""
    for named, path, text in FILE.findall(part):
        assert named == path
        assert not (tree / path).exists()
        (tree / path).write_text(text)
    for change in DIFF.findall(part):
        patch = ["patch", "-p1", "--no-backup-if-mismatch"]
        subprocess.run(patch, cwd=tree, check=True, input=change, text=True, capture_output=True)


def commands(part: str) -> list[list[str]]:
    """The commands that *part* says to run."""
    return [line.split() for block in SHELL.findall(part) for line in block.splitlines()]


def test_there_are_steps_for_a_rule_an_output_form_and_a_backend() -> None:
    assert list(PARTS) == ["Add a rule", "Add an output form", "Add a backend"]
    assert all(FILE.search(part) and SHELL.search(part) for part in PARTS.values())


@pytest.mark.parametrize("title", PARTS)
def test_whoever_follows_the_steps_has_what_passes_its_tests_and_the_linter(tree: Path, title: str) -> None:
    write(tree, PARTS[title])
    assert all(run(tree, *command).strip() for command in commands(PARTS[title]))
    written = [path for _, path, _ in FILE.findall(PARTS[title]) if path.endswith(".py")]
    changed = re.findall(r"^\+\+\+ b/(\S+)", PARTS[title], re.MULTILINE)
    for words in (["check"], ["format", "--check"]):
        run(tree, ".venv/bin/ruff", *words, "--no-cache", "--quiet", *written, *changed, "tools/rule_pages.py")


def test_a_new_rule_is_told_by_natfix_and_has_its_page(tree: Path) -> None:
    write(tree, PARTS["Add a rule"])
    run(tree, *commands(PARTS["Add a rule"])[1])
    assert "DOC099 docker-rule-twice" in run(tree, ".venv/bin/python", "-m", "natfix", "explain", "DOC099")
    assert (tree / "docs" / "rules" / "DOC099.md").exists()
    assert "(rules/DOC099.md)" in (tree / "docs" / "rules.md").read_text()


def test_a_new_form_is_printed_by_natfix(tree: Path) -> None:
    write(tree, PARTS["Add an output form"])
    (tree / "dump.save").write_text("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 -j MASQUERADE\nCOMMIT\n")
    words = ["check", "dump.save", "--cluster-cidr", "172.7.0.0/16", "--exit-zero", "--format", "csv"]
    head, finding = run(tree, ".venv/bin/python", "-m", "natfix", *words).splitlines()
    assert head == '"id","severity","source","rule","message"'
    assert finding.startswith('"NAT001","high","dump.save","\'-A POSTROUTING -s 172.7.21.0/24 -j MASQUERADE"')


def test_a_new_backend_is_chosen_by_the_configuration(tree: Path) -> None:
    write(tree, PARTS["Add a backend"])
    config = '{"Network": "172.7.0.0/16", "Backend": {"Type": "routed"}}'
    script = f"from natfix.routing import NetworkConfig; print(NetworkConfig.parse('{config}').backend)"
    assert run(tree, ".venv/bin/python", "-c", script) == "Routed()\n"
