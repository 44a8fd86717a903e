"""Ansible as a test uses it: the collection installed from its archive, results as values, no settings of the user's own."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from tests.packages.sources import EPOCH
from tools.collection import build

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = ROOT / ".venv-ansible/bin"
SECONDS = 300


@dataclass(frozen=True)
class Told:
    """What one host said to one task.

    Attributes:
        host: its name in the inventory.
        task: the task's name.
        outcome: ok, failed or unreachable.
        result: what the module returned.
    """

    host: str
    task: str
    outcome: str
    result: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run of Ansible that is over.

    Attributes:
        code: its exit code.
        output: what it printed.
        told: what each host said to each task, in the order of time.
    """

    code: int
    output: str
    told: tuple[Told, ...]

    def of(self, host: str) -> list[Told]:
        """What one host said."""
        return [one for one in self.told if one.host == host]

    def last(self, host: str) -> Told:
        """What one host said last."""
        found = self.of(host)
        assert found, f"{host} said nothing\n{self.output}"
        return found[-1]

    @property
    def changed(self) -> list[str]:
        """The hosts that say they were changed, or would be."""
        return sorted({one.host for one in self.told if one.result.get("changed")})

    @property
    def failed(self) -> list[str]:
        """The hosts on which something failed, or that did not answer."""
        return sorted({one.host for one in self.told if one.outcome != "ok"})


@dataclass(frozen=True)
class Control:
    """A control host.

    Attributes:
        folder: a short path, as a socket's path has a length; for its inventory and all that Ansible keeps.
        within: words that come before each command, such as those that enter a network namespace.
        environment: more of it.
    """

    folder: Path
    within: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def but(self, **environment: str) -> "Control":
        """The same control host with more in its environment."""
        return replace(self, environment={**self.environment, **environment})

    def inventory(self, hosts: Mapping[str, str]) -> None:
        """Name the hosts, and of each what Ansible is to know."""
        lines = [f"{name} ansible_python_interpreter=/usr/bin/python3 {more}" for name, more in hosts.items()]
        self.path("inventory").write_text("\n".join([*lines, ""]), encoding="utf-8")

    def path(self, name: str) -> Path:
        """A file of this control host."""
        return self.folder / name

    def playbook(self, text: str) -> str:
        """Write a playbook; give its path."""
        path = self.path("playbook.yml")
        path.write_text(text, encoding="utf-8")
        return str(path)

    def play(self, *words: str) -> Run:
        """Run ansible-playbook."""
        return self.run("ansible-playbook", "--inventory", str(self.path("inventory")), *words)

    def ask(self, host: str, module: str, *words: str, **options: object) -> Told:
        """Run one module on one host; give what it said."""
        return self.ask_all(host, module, *words, **options).last(host)

    def ask_all(self, pattern: str, module: str, *words: str, **options: object) -> Run:
        """Run one module on all hosts of a pattern."""
        arguments = ["--module-name", module, *(["--args", json.dumps(options)] if options else [])]
        return self.run("ansible", pattern, "--inventory", str(self.path("inventory")), *arguments, *words)

    def run(self, program: str, *words: str) -> Run:
        """Run one of Ansible's programs."""
        told = self.path("told")
        told.write_text("", encoding="utf-8")
        command = [*self.within, str(BIN / program), *words]
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=SECONDS, env=self._environment(told), cwd=self.folder
        )
        lines = told.read_text(encoding="utf-8").splitlines()
        print(f"$ {shlex.join(command)}\n{done.stdout}{done.stderr}")
        return Run(done.returncode, done.stdout + done.stderr, tuple(Told(**json.loads(line)) for line in lines))

    def _environment(self, told: Path) -> dict[str, str]:
        return {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.folder),
            "ANSIBLE_HOME": str(self.path("home")),
            "ANSIBLE_LOCAL_TEMP": str(self.path("home/tmp")),
            "ANSIBLE_COLLECTIONS_PATH": str(self.path("collections")),
            "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/ansible/callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "told",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "ANSIBLE_RETRY_FILES_ENABLED": "false",
            "ANSIBLE_NOCOLOR": "true",
            "NATFIX_TOLD": str(told),
            **self.environment,
        }


def install_collection(folder: Path) -> None:
    """Build the collection and install it into *folder* from its archive, as people do, without a network."""
    archive = build(folder, epoch=EPOCH)
    galaxy = (BIN / "ansible-galaxy", "collection", "install", archive, "--offline", "-p", folder / "collections")
    done = subprocess.run(galaxy, check=False, capture_output=True, text=True, env={**os.environ, "HOME": str(folder)})
    assert done.returncode == 0, done.stdout + done.stderr


def need_ansible() -> None:
    """Skip where make has not made Ansible's environment."""
    if not BIN.is_dir():
        pytest.skip("needs Ansible: make .venv-ansible/stamp")


def lines_of(changes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The diff of natfix's own JSON as one text a place, as Ansible is to show it."""
    for change in changes:
        yield "".join(f"{line}\n" for line in change["diff"])
