#!/usr/bin/python
# Apache License 2.0 (see LICENSE)
"""Say which rules hide container addresses."""

from __future__ import annotations

DOCUMENTATION = r"""
module: check
short_description: Say which rules hide container addresses
version_added: 1.0.0
author: The natfix developers (!UNKNOWN)
description:
  - Asks C(natfix check) on the host which of its NAT rules hide the addresses of containers from the rest of the cluster, and
    returns the findings, each with the packet that proves it.
  - It never changes anything, in check mode or not.
extends_documentation_fragment:
  - natfix.natfix.natfix
  - natfix.natfix.natfix.looking
options:
  fail_on:
    description:
      - Fail when there is a finding at least this bad.
      - With V(never) the task succeeds whatever is found, and RV(right) tells.
    type: str
    choices: [never, info, low, medium, high]
    default: never
  baseline:
    description:
      - A file on the host with findings that are known, as C(natfix check --write-baseline) writes it. They are left out.
    type: path
attributes:
  check_mode:
    description: Runs in check mode too, and says the same.
    support: full
  diff_mode:
    description: It changes nothing, so there is no difference to show.
    support: none
  platform:
    description: The hosts it is for.
    support: full
    platforms: linux
seealso:
  - module: natfix.natfix.apply
"""

EXAMPLES = r"""
- name: Know what is wrong
  natfix.natfix.check:
  register: natfix_checked

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ natfix_checked.findings | map(attribute='message') }}"
  when: not natfix_checked.right

- name: Stop here when a container's address is hidden
  natfix.natfix.check:
    cluster_cidr: [172.7.0.0/16]
    fail_on: low
"""

RETURN = r"""
right:
  description: Whether nothing was found that is at least as bad as O(fail_on), or as V(low) where that is V(never).
  returned: success
  type: bool
  sample: false
findings:
  description: What was found, the worst first in each table.
  returned: when the host could be looked at
  type: list
  elements: dict
  contains:
    id:
      description: The audit rule. C(natfix explain ID) tells all about it.
      type: str
      sample: NAT001
    name:
      description: The name of that audit rule.
      type: str
      sample: over-broad-masquerade
    severity:
      description: How bad it is, V(high), V(medium), V(low) or V(info).
      type: str
      sample: high
    certain:
      description: Whether it happens to that packet for certain; else natfix could not evaluate RV(findings[].unknown).
      type: bool
    message:
      description: What it does.
      type: str
      sample: hides the addresses of 172.7.21.0/24 from the rest of the cluster
    source:
      description: The backend of the table it was found in.
      type: str
      sample: iptables-nft
    table:
      description: The table.
      type: str
      sample: nat
    rule:
      description: The rule, with its chain and number.
      type: dict
    packet:
      description: A packet to which it happens.
      type: dict
    path:
      description: The rules that this packet passes.
      type: list
      elements: dict
    becomes:
      description: The source address that this packet has afterwards.
      type: str
      sample: 10.4.7.21
    unknown:
      description: What could not be evaluated.
      type: list
      elements: str
    behind:
      description: The rule that takes over when this one is corrected.
      type: dict
    shielded_by:
      description: The guard that makes it harmless.
      type: str
    correctable:
      description: Whether M(natfix.natfix.apply) corrects it.
      type: bool
    remediation:
      description: What a person can do.
      type: str
summary:
  description: How many findings there are of each severity.
  returned: when the host could be looked at
  type: dict
  sample: {high: 1}
suppressed:
  description: How many findings are left out, because somebody decided to live with them.
  returned: when the host could be looked at
  type: int
clusters:
  description: The networks of the cluster, and what told them.
  returned: when the host could be looked at
  type: list
  elements: dict
  sample: [{networks: [172.7.0.0/16], origin: /etc/natfix/natfix.toml, guessed: false}]
notes:
  description: What else natfix says.
  returned: when the host could be looked at
  type: list
  elements: str
version:
  description: The natfix of the host.
  returned: when the host could be looked at
  type: str
  sample: 0.1.0
reason:
  description:
    - Why it failed, in a word. V(found) is what O(fail_on) asked for. V(missing) means no natfix on the host, V(not_root) no
      root, V(refused) that natfix could not look, as without iptables or without a cluster.
    - V(unsupported), V(busy), V(version) and V(defect) are told by the message.
  returned: failure
  type: str
  sample: missing
rc:
  description: The exit code of natfix, where it could not look.
  returned: when natfix itself failed
  type: int
ansible_facts:
  description: What was found, for the tasks to come.
  returned: when the host could be looked at
  type: dict
  contains:
    natfix:
      description: Version, whether the host is right, clusters, container subnets, summary, and the ids of findings.
      type: dict
      sample:
        version: 0.1.0
        right: true
        clusters: [172.7.0.0/16]
        subnets: [172.7.21.0/24]
        summary: {}
        ids: []
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.natfix.natfix.plugins.module_utils.natfix import LOOKING, SHARED, Natfix


def findings_of(tables: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the findings of all tables, each with the table's source."""
    return [{**finding, "source": table["source"]} for table in tables for finding in table["findings"]]


def result_of(document: dict[str, Any], right: bool) -> dict[str, Any]:
    """Make the module's result of natfix's document."""
    findings = findings_of(document["tables"])
    summary = {severity: number for severity, number in document["summary"].items() if number}
    facts = {
        "version": document["natfix"],
        "right": right,
        "clusters": [network for cluster in document["clusters"] for network in cluster["networks"]],
        "subnets": sorted({subnet for table in document["tables"] for subnet in table["subnets"]}),
        "summary": summary,
        "ids": sorted({finding["id"] for finding in findings}),
    }
    return {
        "changed": False,
        "right": right,
        "findings": findings,
        "summary": summary,
        "suppressed": sum(len(table["suppressed"]) for table in document["tables"]),
        "clusters": document["clusters"],
        "notes": document["notes"],
        "version": document["natfix"],
        "ansible_facts": {"natfix": facts},
    }


def complaint_of(findings: list[dict[str, Any]]) -> str:
    """Say what was found, a line for each finding."""
    lines = (f"{one['id']} {one['severity']}: {one['source']}: {one['rule']['text']} {one['message']}" for one in findings)
    return "\n".join([f"{len(findings)} findings:", *lines])


def main() -> None:
    """Run the module."""
    specific = {
        "fail_on": {"type": "str", "choices": ["never", "info", "low", "medium", "high"], "default": "never"},
        "baseline": {"type": "path"},
    }
    module = AnsibleModule(argument_spec={**SHARED, **LOOKING, **specific}, supports_check_mode=True)
    natfix = Natfix(module)
    wanted = module.params["fail_on"]
    words = ["check", *natfix.options(), f"--fail-on={'low' if wanted == 'never' else wanted}"]
    if module.params["baseline"]:
        words.append(f"--baseline={module.params['baseline']}")
    code, document = natfix.ask(*words)
    result = result_of(document, right=code == 0)
    if code and wanted != "never":
        module.fail_json(msg=complaint_of(result["findings"]), reason="found", **result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
