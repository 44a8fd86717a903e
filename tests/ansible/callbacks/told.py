"""A callback of Ansible that writes each result of each task on each host as a line of JSON, for the tests to read."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: told
type: notification
short_description: Results as lines of JSON
description:
  - Appends them to the file that the environment names.
"""


class CallbackModule(CallbackBase):  # type: ignore[misc]  # Ansible publishes no types.
    """Writes them to the file of NATFIX_TOLD."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "told"

    def v2_runner_on_ok(self, result: Any) -> None:
        """A host did a task."""
        self._write("ok", result)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """A host did not."""
        self._write("failed", result)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """A host did not answer."""
        self._write("unreachable", result)

    def _write(self, outcome: str, result: Any) -> None:
        told = {"host": result._host.get_name(), "task": result._task.get_name(), "outcome": outcome, "result": result._result}
        with Path(os.environ["NATFIX_TOLD"]).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, default=str) + "\n")
