#!/usr/bin/python
# Apache License 2.0 (see LICENSE)
"""Put units in place that keep a host right."""

from __future__ import annotations

DOCUMENTATION = r"""
module: install
short_description: Put units in place that keep a host right
version_added: 1.0.0
author: The natfix developers (!UNKNOWN)
description:
  - Runs C(natfix install) or C(natfix uninstall) on the host. The units that it puts in place correct the rules that Docker and
    others write at each start; O(guard) keeps container addresses before any other rule is asked.
  - What another O(mode) had installed is taken away. Where everything is in place and runs, nothing is done.
extends_documentation_fragment:
  - natfix.natfix.natfix
options:
  state:
    description:
      - With V(absent), what C(natfix install) put in place is taken away, a guard that it turned on included. Corrected
        rules stay.
    type: str
    choices: [present, absent]
    default: present
  mode:
    description:
      - How the host is kept right.
      - V(watch) is a daemon, V(path) and V(drop_in) do without one, and V(node) is the node agent beside any of them.
    type: list
    elements: str
    choices: [watch, path, drop_in, node]
    default: [watch]
  guard:
    description:
      - Turn the guard on as well. A guard that is on is not turned off by V(false).
    type: bool
    default: false
  renew:
    description:
      - Start the daemons anew although no unit has changed, as is wanted after an upgrade of natfix.
    type: bool
    default: false
attributes:
  check_mode:
    description: Tells exactly which files would be changed, as C(natfix install --dry-run) does, and changes nothing.
    support: full
  diff_mode:
    description: Shows natfix's own difference, the same in check mode and without.
    support: full
  platform:
    description: The hosts it is for, with systemd.
    support: full
    platforms: linux
seealso:
  - module: natfix.natfix.apply
"""

EXAMPLES = r"""
- name: Keep the host right, without a moment in which an address is hidden
  natfix.natfix.install:
    guard: true

- name: Do without a daemon
  natfix.natfix.install:
    mode: [path, drop_in]

- name: Take it away
  natfix.natfix.install:
    state: absent
"""

RETURN = r"""
places:
  description: The unit files that were changed, or in check mode would be, and C(nftables) for the guard.
  returned: success
  type: list
  elements: str
  sample: [/etc/systemd/system/natfix-watch.service]
idle:
  description: Units that were in place and did not run, so that they were started, or would be.
  returned: success
  type: list
  elements: str
notes:
  description: What else natfix says, as of a unit file that somebody changed and that stays as it is.
  returned: success
  type: list
  elements: str
reason:
  description: Why it failed, in a word, as M(natfix.natfix.apply) tells it.
  returned: failure
  type: str
  sample: unsupported
rc:
  description: The exit code of natfix, where it could not do it.
  returned: when natfix itself failed
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.natfix.natfix.plugins.module_utils.natfix import SHARED, Natfix, shown

# The units of a mode that run all the time.
RUNNING = {
    "watch": ["natfix-watch.service"],
    "path": ["natfix-notice.path", "natfix-reapply.path"],
    "drop_in": [],
    "node": ["natfix-node.service"],
}


def words_of(params: dict[str, Any]) -> list[str]:
    """Spell what the task wants as a command of natfix."""
    if params["state"] == "absent":
        return ["uninstall"]
    modes = [f"--{mode.replace('_', '-')}" for mode in params["mode"]]
    return ["install", *modes, *(["--guard"] if params["guard"] else [])]


def idle_units(module: AnsibleModule) -> list[str]:
    """Give the units that shall run and do not."""
    if module.params["state"] == "absent":
        return []
    wanted = [unit for mode in module.params["mode"] for unit in RUNNING[mode]]
    return [unit for unit in wanted if module.run_command(["systemctl", "is-active", "--quiet", unit])[0] != 0]


def main() -> None:
    """Run the module."""
    specific = {
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "mode": {"type": "list", "elements": "str", "choices": list(RUNNING), "default": ["watch"]},
        "guard": {"type": "bool", "default": False},
        "renew": {"type": "bool", "default": False},
    }
    module = AnsibleModule(argument_spec={**SHARED, **specific}, supports_check_mode=True)
    natfix = Natfix(module)
    words = words_of(module.params)
    _, document = natfix.ask(*words, "--dry-run", codes=(0,))
    idle = [] if document["changes"] else idle_units(module)
    renewed = module.params["renew"] and module.params["state"] == "present"
    changed = bool(document["changes"] or idle or renewed)
    if changed and not module.check_mode:
        _, document = natfix.ask(*words, codes=(0,))
    module.exit_json(
        changed=changed,
        diff=shown(document["changes"]),
        places=[change["place"] for change in document["changes"]],
        idle=idle,
        notes=document["notes"],
    )


if __name__ == "__main__":
    main()
