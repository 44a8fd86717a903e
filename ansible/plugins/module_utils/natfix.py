# Apache License 2.0 (see LICENSE)
"""How the modules of this collection call natfix on a host, and what they make of its answers."""

from __future__ import annotations

import json
import os
from typing import Any, NoReturn

# Where natfix lies when the PATH of a task does not lead there: a link of docs/install.md, and the environment of the role.
PLACES = ["/usr/local/sbin", "/opt/natfix/bin", "/usr/sbin", "/usr/bin"]
# The version of natfix's JSON forms that is read here.
SCHEMA = 1
# What an exit code of natfix says, as a word to decide by; natfix/errors.py tells of each.
REASONS = {
    2: "refused",
    3: "conflict",
    4: "rolled_back",
    5: "unsupported",
    6: "busy",
}
# Options that every module takes.
SHARED = {"executable": {"type": "path"}}
# Options of the modules that look for rules.
LOOKING = {
    "cluster_cidr": {"type": "list", "elements": "str", "default": []},
    "rules": {"type": "list", "elements": "path", "default": []},
}


class Natfix:
    """natfix on the host a module runs on.

    Args:
        module: the module, which ends with a clear word where natfix cannot be asked.
    """

    def __init__(self, module: Any) -> None:
        self._module = module
        self.program = self._find()
        if os.geteuid() != 0:
            self._fail("natfix reads and changes the rules of the kernel, which root alone may: say become: true", "not_root")

    def ask(self, *words: str, codes: tuple[int, ...] = (0, 1)) -> tuple[int, dict[str, Any]]:
        """Run a command of natfix; give its exit code and the JSON it printed.

        The module fails, with natfix's own words, when the code is none of *codes*.
        """
        code, output, complaint = self.run(*words, "--format", "json")
        if code not in codes:
            said = complaint.strip() or output.strip() or "it said nothing"
            self._fail(f"natfix {words[0]}: {said}", REASONS.get(code, "defect"), rc=code)
        try:
            document = json.loads(output)
        except ValueError:
            self._fail(f"natfix {words[0]} printed no JSON: {output[:500]}", "defect", rc=code)
        if document.get("schema") != SCHEMA:
            found = document.get("schema")
            self._fail(f"{self.program} speaks version {found} of its JSON, and this collection version {SCHEMA}", "version")
        return code, document

    def run(self, *words: str) -> tuple[int, str, str]:
        """Run a command of natfix; give its exit code, what it printed and its complaint."""
        # natfix says of bytes that are no UTF-8 what they were; nobody else may guess a locale.
        found: tuple[int, str, str] = self._module.run_command([self.program, *words], environ_update={"LC_ALL": "C.UTF-8"})
        return found

    def options(self) -> list[str]:
        """The words for the options of ``LOOKING``."""
        return [
            *(f"--cluster-cidr={cidr}" for cidr in self._module.params["cluster_cidr"]),
            *(f"--rules={folder}" for folder in self._module.params["rules"]),
        ]

    def _find(self) -> str:
        named = self._module.params["executable"]
        if named and not (os.path.isfile(named) and os.access(named, os.X_OK)):
            self._fail(f"{named} is no program on this host; executable names natfix", "missing")
        found = named or self._module.get_bin_path("natfix", opt_dirs=PLACES)
        if not found:
            self._fail(
                "natfix is not installed on this host: the role natfix.natfix.natfix installs it, or name it with executable",
                "missing",
            )
        return str(found)

    def _fail(self, message: str, reason: str, **more: Any) -> NoReturn:
        self._module.fail_json(msg=message, reason=reason, **more)
        # fail_json ends the process.
        raise SystemExit(1)


def shown(changes: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The diffs of changes, as Ansible's own diff mode prints them: natfix's own text, place by place."""
    return [{"prepared": "".join(f"{line}\n" for line in change["diff"])} for change in changes]


def told(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The places that are, or would be, changed, and the lines of each that come and go."""
    return [
        {
            "place": change["place"],
            "removed": [line[1:] for line in change["diff"] if line.startswith("-") and not line.startswith("--- ")],
            "added": [line[1:] for line in change["diff"] if line.startswith("+") and not line.startswith("+++ ")],
        }
        for change in changes
    ]
