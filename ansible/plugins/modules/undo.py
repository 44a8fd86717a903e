#!/usr/bin/python
# Apache License 2.0 (see LICENSE)
"""Take natfix's own changes back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: undo
short_description: Take natfix's own changes back
version_added: 1.0.0
author: The natfix developers (!UNKNOWN)
description:
  - Runs C(natfix undo) on the host. Kernel and files are as they were before the change; what others changed since stays.
  - What is undone stays undone. Neither watcher nor units correct it again, before M(natfix.natfix.apply) or
    C(natfix apply) does.
extends_documentation_fragment:
  - natfix.natfix.natfix
options:
  id:
    description:
      - The change, as RV(natfix.natfix.apply#module:id) names it. One that is undone already is no error.
      - V(all) takes back every change that stands, the newest first.
    type: str
    required: true
attributes:
  check_mode:
    description: Tells what would be changed, as C(natfix undo --dry-run) does, and changes nothing.
    support: full
  diff_mode:
    description: Shows natfix's own difference.
    support: full
  platform:
    description: The hosts it is for.
    support: full
    platforms: linux
notes:
  - Of several changes that build upon each other, check mode shows each as if it were the only one.
seealso:
  - module: natfix.natfix.apply
"""

EXAMPLES = r"""
- name: Take back what the correction changed
  natfix.natfix.undo:
    id: "{{ natfix_applied.id }}"

- name: Leave nothing of natfix's in the rules
  natfix.natfix.undo:
    id: all
"""

RETURN = r"""
undone:
  description: The changes that were taken back, or in check mode would be.
  returned: success
  type: list
  elements: str
  sample: [20261129T174234Z-1]
restored:
  description: The places that changed by it, with the lines that went and came.
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
reason:
  description: Why it failed, in a word, as M(natfix.natfix.apply) tells it.
  returned: failure
  type: str
  sample: refused
rc:
  description: The exit code of natfix, where it could not do it.
  returned: when natfix itself failed
  type: int
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.natfix.natfix.plugins.module_utils.natfix import SHARED, Natfix, shown, told

# The states of a change that can be taken back.
STANDING = {"started", "waiting", "done"}


def standing(natfix: Natfix, wanted: str) -> list[str]:
    """Give the changes that are wanted back and stand, the newest first."""
    changes = natfix.ask("history")[1]["changes"]
    return [one["id"] for one in reversed(changes) if one["state"] in STANDING and wanted in {"all", one["id"]}]


def taken_back(natfix: Natfix, wanted: str) -> tuple[list[str], list[dict[str, Any]]]:
    """Take back what is wanted; give the changes and the places."""
    undone: list[str] = []
    places: list[dict[str, Any]] = []
    # Undoing one may undo others that were the same correction, so the history is asked each time.
    while left := [change for change in standing(natfix, wanted) if change not in undone]:
        places += natfix.ask("undo", left[0], codes=(0,))[1]["changes"]
        undone.append(left[0])
    return undone, places


def main() -> None:
    """Run the module."""
    module = AnsibleModule(argument_spec={**SHARED, "id": {"type": "str", "required": True}}, supports_check_mode=True)
    natfix = Natfix(module)
    wanted = module.params["id"]
    if module.check_mode:
        undone = standing(natfix, wanted)
        places = [place for change in undone for place in natfix.ask("undo", change, "--dry-run", codes=(0,))[1]["changes"]]
    else:
        undone, places = taken_back(natfix, wanted)
    module.exit_json(changed=bool(undone), undone=undone, restored=told(places), diff=shown(places))


if __name__ == "__main__":
    main()
