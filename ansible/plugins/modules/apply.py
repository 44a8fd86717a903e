#!/usr/bin/python
# Apache License 2.0 (see LICENSE)
"""Correct the rules that hide container addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: apply
short_description: Correct the rules that hide container addresses
version_added: 1.0.0
author: The natfix developers (!UNKNOWN)
description:
  - Runs C(natfix apply) on the host, which corrects exactly the rules that hide container addresses, verifies, and saves the
    correction for the next boot. Where nothing is wrong, nothing is changed.
  - With a safety line across the connection. The host takes the correction back by itself after O(confirm) seconds, unless
    the control host can log in anew and says so. For that the connection is closed, and a new one opened; a session that is
    multiplexed through an old connection proves nothing, and natfix does not accept it.
  - When no new login can be had, the task fails, and the host is as it was before.
extends_documentation_fragment:
  - natfix.natfix.natfix
  - natfix.natfix.natfix.looking
options:
  confirm:
    description:
      - So many seconds the host waits for the new login before it takes the correction back. V(0) does without.
      - Needs a connection that can be opened anew, which V(ansible.builtin.ssh) can and V(ansible.builtin.local) cannot.
    type: int
    default: 60
  persist:
    description:
      - Save the correction into the file that is loaded at boot, where the host has one.
    type: bool
    default: true
  file:
    description:
      - Save to this file on the host, instead of the one that is loaded at boot.
    type: path
  keep_connections:
    description:
      - Leave connections in conntrack that carry the old rewrite. They keep it until they end.
    type: bool
    default: false
  leave_guarded:
    description:
      - Leave running rules alone that the guard makes harmless.
    type: bool
    default: false
  wait:
    description:
      - So many seconds to wait for the xtables lock and for another natfix.
    type: int
    default: 5
attributes:
  action:
    description: A part of it runs on the control host, which opens the new connection.
    support: full
  async:
    description: The confirmation wants the connection, so it does not run in the background.
    support: none
  check_mode:
    description: Tells exactly what would be changed, as C(natfix diff) does, and changes nothing.
    support: full
  diff_mode:
    description: Shows natfix's own difference, the same in check mode and without.
    support: full
  platform:
    description: The hosts it is for.
    support: full
    platforms: linux
notes:
  - A change that waits for its confirmation when the task begins is somebody else's, or that of a run that was ended.
    The task fails then, as the rules may go back at any moment. Confirm it on the host, or wait until its time is over.
seealso:
  - module: natfix.natfix.check
  - module: natfix.natfix.undo
"""

EXAMPLES = r"""
- name: Correct what hides container addresses
  natfix.natfix.apply:
  register: natfix_applied

- name: Tell how to take it back
  ansible.builtin.debug:
    msg: "natfix undo {{ natfix_applied.id }}"
  when: natfix_applied is changed

- name: Correct it with two minutes for the new login
  natfix.natfix.apply:
    cluster_cidr: [172.7.0.0/16]
    confirm: 120
"""

RETURN = r"""
id:
  description: Names the change for M(natfix.natfix.undo) and C(natfix undo).
  returned: when something was changed
  type: str
  sample: 20261129T174234Z-1
corrected:
  description: The places that were changed, or in check mode would be, with the lines that went and came.
  returned: success
  type: list
  elements: dict
  contains:
    place:
      description: A backend of iptables, or a file.
      type: str
      sample: iptables-nft
    removed:
      description: The lines that are there no more.
      type: list
      elements: str
    added:
      description: The lines that stand in their place.
      type: list
      elements: str
  sample:
    - place: iptables-nft
      removed: ["-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"]
      added: ["-A POSTROUTING -s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"]
connections:
  description: How many tracked connections that carried the old rewrite were dropped.
  returned: success
  type: int
remaining:
  description: Findings that natfix does not correct by itself, as M(natfix.natfix.check) returns them.
  returned: success
  type: list
  elements: dict
notes:
  description: What else natfix says.
  returned: success
  type: list
  elements: str
confirmed:
  description: Whether a new login has confirmed the change.
  returned: when something was changed and O(confirm) is not V(0)
  type: bool
rolled_back:
  description: Whether the host has taken the change back. Without a value where nobody could look.
  returned: when the change was not confirmed
  type: bool
reason:
  description:
    - Why it failed, in a word. V(missing) means no natfix on the host, V(not_root) no root, V(refused) that natfix could not do
      it, V(conflict) that somebody else changed the same rules meanwhile, V(waiting) that a change waits for its confirmation,
      V(unconfirmed) that no new login could be had.
    - V(rolled_back), V(unsupported), V(busy), V(version), V(connection) and V(defect) are told by the message.
  returned: failure
  type: str
  sample: unconfirmed
rc:
  description: The exit code of natfix, where it could not do it.
  returned: when natfix itself failed
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.natfix.natfix.plugins.module_utils.natfix import LOOKING, SHARED, Natfix, shown, told

# Options of natfix that are switched on by their name.
SWITCHES = {"keep_connections": "--keep-connections", "leave_guarded": "--leave-guarded"}


def words_of(params: dict[str, Any], check_mode: bool) -> list[str]:
    """Spell what the task wants in natfix's own options."""
    words = [option for name, option in SWITCHES.items() if params[name]]
    words += [] if params["persist"] else ["--no-persist"]
    words += [f"--file={params['file']}"] if params["file"] else []
    words += [f"--wait={params['wait']}"]
    # Without root's history a dry run would look like a change that is done.
    return [*words, "--dry-run"] if check_mode else [*words, f"--confirm={params['confirm']}"]


def refuse_waiting(module: AnsibleModule, natfix: Natfix) -> None:
    """Fail while a change waits for its confirmation: what holds now may be taken back at any moment."""
    waiting = [one for one in natfix.ask("history")[1]["changes"] if one["state"] == "waiting"]
    if waiting:
        one = waiting[-1]
        message = (
            f"the change {one['id']} of {one['at']} waits for its confirmation, and is undone without: say natfix confirm on "
            "the host, or wait until its time is over"
        )
        module.fail_json(msg=message, reason="waiting", id=one["id"])


def main() -> None:
    """Run the part of the module that is for the host."""
    specific = {
        "confirm": {"type": "int", "default": 60},
        "persist": {"type": "bool", "default": True},
        "file": {"type": "path"},
        "keep_connections": {"type": "bool", "default": False},
        "leave_guarded": {"type": "bool", "default": False},
        "wait": {"type": "int", "default": 5},
    }
    module = AnsibleModule(argument_spec={**SHARED, **LOOKING, **specific}, supports_check_mode=True)
    natfix = Natfix(module)
    refuse_waiting(module, natfix)
    _, document = natfix.ask("apply", *natfix.options(), *words_of(module.params, module.check_mode), codes=(0,))
    result = {
        "changed": bool(document["changes"]),
        "diff": shown(document["changes"]),
        "corrected": told(document["changes"]),
        "connections": document["connections"],
        "remaining": document["remaining"],
        "notes": document["notes"],
    }
    if document["id"]:
        # What the control host needs for the confirmation.
        result.update(id=document["id"], executable=natfix.program)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
