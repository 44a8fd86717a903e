# Apache License 2.0 (see LICENSE)
"""Options that modules of this collection share."""

from __future__ import annotations


class ModuleDocFragment:
    """What the modules' documentation takes from here."""

    DOCUMENTATION = r"""
options:
  executable:
    description:
      - The natfix of the host.
      - Without it V(natfix) is looked for in V(/usr/local/sbin), V(/opt/natfix/bin), V(/usr/sbin), V(/usr/bin) and in E(PATH).
    type: path
requirements:
  - natfix 0.1 or later on the host
  - root on the host
"""

    LOOKING = r"""
options:
  cluster_cidr:
    description:
      - The networks that hold the container subnets of all hosts.
      - Without any, natfix takes those of V(/etc/natfix/natfix.toml), of flannel, of Kubernetes, or of the host's routes.
    type: list
    elements: str
    default: []
  rules:
    description:
      - Folders on the host with further audit rules, beside natfix's own and V(/etc/natfix/rules.d).
    type: list
    elements: path
    default: []
"""
