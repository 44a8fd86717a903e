"""natfix/audit/actor.py: programs leave their names in chains, comments and bridges."""

import pytest

from natfix.audit.actor import ACTORS, actor_of
from natfix.ruleset import Rule


@pytest.mark.parametrize(
    ("chain", "spec", "actor"),
    [
        ("POSTROUTING", "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE", "docker"),
        ("POSTROUTING", "-s 172.7.21.0/24 ! -o docker_gwbridge -j MASQUERADE", "docker-swarm"),
        ("POSTROUTING", "-s 172.7.21.0/24 ! -o br-0a1b2c3d4e5f -j SNAT --to-source 10.4.7.21", "docker-network"),
        ("POSTROUTING", "-s 172.7.21.0/24 ! -o br-office -j MASQUERADE", "unknown"),
        ("POSTROUTING", "-s 172.7.21.0/24 ! -o br-0a1b2c3d4e5z -j MASQUERADE", "unknown"),
        ("POSTROUTING", "-s 172.7.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE", "flannel"),
        ("POSTROUTING", "-s 172.7.0.0/16 -d 224.0.0.0/4 -j MASQUERADE", "unknown"),
        ("POSTROUTING", "-o eth0 -j MASQUERADE", "unknown"),
        ("FLANNEL-POSTRTG", "-j MASQUERADE", "flannel"),
        ("CNI-5d3c2b1a0f9e8d7c6b5a4f3e", "! -d 224.0.0.0/4 -j MASQUERADE", "cni"),
        ("masq_checks", "-s 172.7.77.2/32 ! -d 172.7.77.0/24 -j MASQUERADE", "cni"),
        ("nat_POST_public_allow", "-o eth0 -j MASQUERADE", "firewalld"),
        ("nv_2f259bab_10_88_0_0_nm16", "! -d 224.0.0.0/4 -j MASQUERADE", "netavark"),
        ("guest_nat", "-s 172.7.122.0/24 ! -d 172.7.122.0/24 -j MASQUERADE", "libvirt"),
        ("nat-cali-nat-outgoing", "-j MASQUERADE", "calico"),
        ("nat-postrouting-out__docker0", "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE", "docker"),
        ("nat-postrouting-out__docker_gwbridge", "-s 172.7.21.0/24 ! -o docker_gwbridge -j MASQUERADE", "docker-swarm"),
        ("nat-postrouting-out__office", "-s 172.7.21.0/24 ! -o office -j MASQUERADE", "docker-network"),
        ("postrtg", "-s 172.7.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE", "flannel"),
        ("pstrt.incusbr0", "-s 172.7.44.0/24 ! -d 172.7.44.0/24 -j MASQUERADE", "lxd"),
        ("OLD_CILIUM_POST_nat", "-j MASQUERADE", "cilium"),
        ("POSTROUTING", '-m comment --comment "generated for LXD network lxdbr0" -j MASQUERADE', "lxd"),
        ("POSTROUTING", '-m comment --comment "by hand" -j MASQUERADE', "unknown"),
    ],
)
def test_the_rule_that_decides_tells_who_wrote_it(chain: str, spec: str, actor: str) -> None:
    assert actor_of([Rule(chain, spec)]) == actor


def test_the_chain_nearest_to_the_rule_tells_before_those_that_lead_there() -> None:
    path = [Rule("KUBE-POSTROUTING", "-j CNI-1"), Rule("CNI-1", "-j SITE"), Rule("SITE", "-j MASQUERADE")]
    assert actor_of(path) == "cni"
    assert actor_of(path[:1]) == "kube-proxy"


def test_actors_are_sorted_and_unknown_is_one() -> None:
    assert list(ACTORS) == sorted(set(ACTORS))
    assert "unknown" in ACTORS
