# Apache License 2.0 (see LICENSE)
"""The control host's part of natfix.natfix.apply: the new login without which a host takes its correction back."""

from __future__ import annotations

import json
import shlex
import time
from typing import Any

from ansible.errors import AnsibleError

from ansible.plugins.action import ActionBase

# What the module does where the task does not say.
SECONDS = 60
# Between two tries to log in: the first pause, doubled each time up to the longest. OpenSSH 9.8 and later shut out an address
# from which logins keep failing (PerSourcePenalties in sshd_config(5)), so that hasty tries would lengthen what they wait for.
PAUSE = 1.0
LONGEST_PAUSE = 10.0
# When its time is over, the host needs a moment to take the change back.
GRACE = 3.0
# natfix's exit code while another natfix is at work on the host.
BUSY = 6
# After so many looks at a host that has had its time, it is taken for lost; each lasts as long as the connection's own timeout.
LOOKS = 4
LOOK_PAUSE = 7.0


class ActionModule(ActionBase):
    """Run the module on the host; when it changed something, log in anew and confirm it."""

    _supports_check_mode = True
    _supports_async = False
    _lost = False

    def run(self, tmp: None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Give the module's result, and what became of the confirmation."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        seconds = self._seconds()
        if seconds and not self._task.check_mode and self._connection.transport.rpartition(".")[2] == "local":
            message = (
                "the host takes its correction back unless a new login confirms it, and there is none to a host that Ansible "
                "runs on: say confirm: 0 to do without"
            )
            return {**result, "failed": True, "reason": "connection", "msg": message}
        result.update(self._execute_module(module_name="natfix.natfix.apply", task_vars=task_vars))
        program = result.pop("executable", None)
        if program is None or not seconds:
            return result
        return {**result, **self._confirmed(program, result["id"], seconds)}

    def cleanup(self, force: bool = False) -> None:
        """Clear up on the host, unless it cannot be reached: that must not hide what became of the change."""
        if not self._lost:
            super().cleanup(force)

    def _seconds(self) -> int:
        try:
            return int(self._task.args.get("confirm", SECONDS))
        except (TypeError, ValueError):
            # The module says what is wrong with it.
            return 0

    def _confirmed(self, program: str, change: str, seconds: float) -> dict[str, Any]:
        """Log in anew and confirm, as often as there is time for; what became of it as a part of the result."""
        end = time.monotonic() + seconds
        pause = PAUSE
        # The first is the one that tells why: later ones may only say that it is too late.
        problems = []
        while True:
            try:
                done = self._anew(program, "confirm")
            except AnsibleError as error:
                problems.append(f"no new login could be had: {error}")
            else:
                if done["rc"] == 0:
                    return {"confirmed": True}
                # On a terminal what natfix complains of is in its output, and ssh's own last word is not.
                problems.append(f"natfix did not accept the confirmation: {done['stdout'].strip() or done['stderr'].strip()}")
                if done["rc"] != BUSY:
                    self._take_back(program, change)
                    return self._unconfirmed(program, change, problems[0])
            if time.monotonic() >= end:
                time.sleep(GRACE)
                return self._unconfirmed(program, change, problems[0])
            time.sleep(min(pause, max(0.0, end - time.monotonic())))
            pause = min(2 * pause, LONGEST_PAUSE)

    def _take_back(self, program: str, change: str) -> None:
        """Do at once what the host would do when the time is over."""
        try:
            self._anew(program, "undo", change)
        except AnsibleError as error:
            self._display.vvv(f"natfix undo {change}: {error}")

    def _unconfirmed(self, program: str, change: str, problem: str) -> dict[str, Any]:
        state = self._state(program, change)
        became = {
            True: "the host has taken the change back",
            False: f"and the change stands: look with natfix status, and say natfix undo {change}",
            None: "the host cannot be asked; it takes the change back by itself",
        }
        back = None if state is None else state in {"rolled back", "undone"}
        return {
            "failed": True,
            "changed": not back,
            "confirmed": False,
            "rolled_back": back,
            "reason": "unconfirmed",
            "msg": f"{problem}\n{became[back]}",
        }

    def _state(self, program: str, change: str) -> str | None:
        """Ask the host what became of a change; None when it cannot be asked."""
        for _ in range(LOOKS):
            try:
                done = self._anew(program, "history", "--format", "json")
                states = {one["id"]: one["state"] for one in json.loads(done["stdout"])["changes"]}
            except (AnsibleError, ValueError):
                time.sleep(LOOK_PAUSE)
                continue
            self._lost = False
            return str(states.get(change, "undone"))
        self._lost = True
        return None

    def _anew(self, *words: str) -> dict[str, Any]:
        """Close the connection, the one that others are multiplexed through too, and run a command over a new one.

        Raises:
            AnsibleError: there was none to be had, or root's rights were not.
        """
        self._connection.reset()
        done: dict[str, Any] = self._low_level_execute_command(shlex.join(words))
        return done
