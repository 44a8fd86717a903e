"""docs/ansible.md: its playbooks and commands are accepted by Ansible, as they stand there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.ansible.control import ROOT, Control
from tests.docs_session import blocks
from tools.collection import SOURCE

PAGE = ROOT / "docs/ansible.md"
FILES = dict(
    re.findall(r"^<!-- file: (\S+) -->\n+```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
)
COMMANDS = [line for language, text in blocks(PAGE) if language == "sh" for line in text.splitlines()]
# What lets a program read all of a command, and do nothing.
HARMLESS = {"ansible-playbook": ["--syntax-check"], "ansible": ["--list-hosts"], "ansible-doc": []}


@pytest.fixture(scope="module")
def desk(control: Control) -> Iterator[Control]:
    """A control host in whose folder the page's files lie."""
    for name, text in FILES.items():
        control.path(name).write_text(text, encoding="utf-8")
    yield control
    for name in FILES:
        control.path(name).unlink()


def test_every_playbook_of_the_page_is_one_of_its_files_and_every_file_is_used() -> None:
    shown = [text for language, text in blocks(PAGE) if language == "yaml"]
    assert shown == list(FILES.values())
    assert [name for name in FILES if not any(name in command for command in COMMANDS)] == []


@pytest.mark.parametrize("command", [one for one in COMMANDS if not one.startswith("ansible-galaxy")])
def test_every_command_of_the_page_is_accepted(desk: Control, command: str) -> None:
    program, *words = shlex.split(command)
    run = desk.run(program, *words, *HARMLESS[program])
    assert run.code == 0, run.output


def test_the_page_names_every_module_playbook_and_reason() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for folder, pattern in (("plugins/modules", "*.py"), ("playbooks", "*.yml")):
        for path in (SOURCE / folder).glob(pattern):
            assert f"natfix.natfix.{path.stem}" in page
    sources = [path.read_text(encoding="utf-8") for path in (SOURCE / "plugins").rglob("*.py")]
    reasons = {one for text in sources for one in re.findall(r'reason(?:"?[:=] ?|, )"(\w+)"', text)}
    reasons |= set(
        re.findall(r'^    \d: "(\w+)",$', (SOURCE / "plugins/module_utils/natfix.py").read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert {"found", "waiting", "unconfirmed", "connection", "refused", "busy"} <= reasons
    assert [one for one in sorted(reasons) if f"`{one}`" not in page] == []


def test_the_readme_of_the_collection_shows_a_playbook_that_ansible_accepts(control: Control) -> None:
    (text,) = (text for language, text in blocks(SOURCE / "README.md") if language == "yaml")
    assert control.play("--syntax-check", control.playbook(text)).code == 0
    assert Path(yaml.safe_load(text)[0]["roles"][0]["vars"]["natfix_package"]).suffix == ".deb"
