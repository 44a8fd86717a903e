"""Who wrote the rules that rewrite a packet: it decides which switch is the better cure.

Programs leave their names in chains, comments, and the bridges their rules speak of; shapes in the sources of the programs:
moby iptabler/network.go, cni plugins pkg/ip/ipmasq_{iptables,nftables}_linux.go, netavark varktables/types.rs and nft.rs,
flannel iptables.go, firewalld fw_zone, ip-masq-agent.go, kubenet_linux.go, felix rules/static.go, cilium iptables.go,
weave npc, LXD xtables.go, libvirt virfirewall. Who wrote a rule never decides whether it is found; the walk does.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from natfix.audit.subject import bridge_of
from natfix.ruleset import Rule

ACTORS = (
    "aws-cni", "calico", "cilium", "cni", "docker", "docker-network", "docker-swarm", "firewalld", "flannel", "ip-masq-agent",
    "kube-proxy", "kubenet", "libvirt", "lxd", "netavark", "tailscale", "unknown", "weave",
)  # fmt: skip
DOCKERS = frozenset({"docker", "docker-network", "docker-swarm"})
"""Those of them that are Docker."""
OWN_PREFIX = "NATFIX-"
"""What the names of natfix's own chains begin with."""
_CHAINS = (
    ("AWS-SNAT-", "aws-cni"),
    ("CILIUM_", "cilium"),
    ("CNI-", "cni"),
    ("FLANNEL", "flannel"),
    ("IP-MASQ", "ip-masq-agent"),
    ("KUBE-", "kube-proxy"),
    ("LIBVIRT_", "libvirt"),
    ("NETAVARK", "netavark"),
    ("OLD_CILIUM_", "cilium"),
    ("POST_", "firewalld"),
    ("WEAVE", "weave"),
    ("cali-", "calico"),
    # Their names in nft's own tables.
    ("guest_nat", "libvirt"),
    ("masq_checks", "cni"),
    ("nat-cali-", "calico"),
    ("nat_POST_", "firewalld"),
    ("nv_", "netavark"),
    ("postrtg", "flannel"),
    ("pstrt.", "lxd"),
    ("ts-", "tailscale"),
)
_COMMENTS = (
    ("cilium ", "cilium"),
    ("flanneld masq", "flannel"),
    ("generated for LXD network", "lxd"),
    ("ip-masq-agent:", "ip-masq-agent"),
    ("kubenet:", "kubenet"),
)
# Docker 29 has chains for each bridge, and a rule in them that names it.
_DOCKER_OUT = "nat-postrouting-out__"
_MULTICAST = "224.0.0.0/4"
_DOCKERS_OWN = frozenset({"docker0", "docker_gwbridge"})
_DOCKER_ID = 12  # Hexadecimal digits of a network's id in the name of its bridge.


def actor_of(path: Sequence[Rule]) -> str:
    """Name the program that wrote the last rule of *path*, by the chains that lead there and that rule's own words."""
    rule = path[-1]
    for chain in reversed([each.chain for each in path]):
        for prefix, actor in _CHAINS:
            if chain.startswith(prefix):
                return actor
    comment = rule.comment or ""
    for prefix, actor in _COMMENTS:
        if comment.startswith(prefix):
            return actor
    return _by_shape(rule)


def _by_shape(rule: Rule) -> str:
    bridge, destination = bridge_of(rule), rule.destination
    if rule.chain.startswith(_DOCKER_OUT) and bridge not in _DOCKERS_OWN:
        return "docker-network"
    if bridge in _DOCKERS_OWN:
        return "docker" if bridge == "docker0" else "docker-swarm"
    if bridge.startswith("br-") and len(bridge) == len("br-") + _DOCKER_ID and set(bridge[3:]) <= set(string.hexdigits):
        return "docker-network"
    if destination is not None and destination.negated and destination.value == _MULTICAST:
        # flannel before 0.16.3 wrote no comment.
        return "flannel"
    return "unknown"
