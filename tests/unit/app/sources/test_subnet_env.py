"""subnet.env, as flannel writes it and as people seed it."""

import pytest

from natfix.app.sources.subnet_env import SubnetEnv
from natfix.ruleset import Family

WRITTEN = b"""\
FLANNEL_NETWORK=172.7.0.0/16
FLANNEL_SUBNET=172.7.21.1/24
FLANNEL_IPV6_NETWORK=fd00:7::/48
FLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64
FLANNEL_MTU=1500
FLANNEL_IPMASQ=false
"""


def networks(text: bytes, family: Family = Family.IPV4) -> list[str]:
    return [str(network) for network in SubnetEnv.parse(text).networks(family)]


def test_the_cluster_s_networks_of_both_families_are_read() -> None:
    assert networks(WRITTEN) == ["172.7.0.0/16"]
    assert networks(WRITTEN, Family.IPV6) == ["fd00:7::/48"]


def test_the_bridge_s_address_tells_this_host_s_subnet() -> None:
    env = SubnetEnv.parse(WRITTEN)
    assert [str(subnet) for subnet in env.subnets(Family.IPV4)] == ["172.7.21.0/24"]
    assert [str(subnet) for subnet in env.subnets(Family.IPV6)] == ["fd00:7:0:21::/64"]


def test_several_networks_are_parted_by_commas() -> None:
    assert networks(b"FLANNEL_NETWORK=172.7.0.0/16,10.244.0.0/16\n") == ["10.244.0.0/16", "172.7.0.0/16"]


@pytest.mark.parametrize(
    "line",
    [
        b'FLANNEL_NETWORK="172.7.0.0/16"',
        b"FLANNEL_NETWORK='172.7.0.0/16' # the cluster",
        b"export FLANNEL_NETWORK=172.7.0.0/16",
        b"FLANNEL_NETWORK=172.7.0.0/16\r",
        b"  FLANNEL_NETWORK=172.7.0.0/16 # the cluster",
        b"FLANNEL_NETWORK=172.7.5.9/16",
        b"FLANNEL_NETWORK=10.0.0.0/8\nFLANNEL_NETWORK=172.7.0.0/16",
    ],
)
def test_a_line_is_read_as_a_shell_would(line: bytes) -> None:
    assert networks(line + b"\nFLANNEL_MTU=1500\n") == ["172.7.0.0/16"]


@pytest.mark.parametrize(
    "text",
    [b"", b"#FLANNEL_NETWORK=172.7.0.0/16", b"FLANNEL_NETWORK", b"FLANNEL_NETWORK=\xff", b"FLANNEL_NETWORK=fd00::/48"],
)
def test_what_says_nothing_of_this_family_is_passed_over(text: bytes) -> None:
    assert networks(text) == []
