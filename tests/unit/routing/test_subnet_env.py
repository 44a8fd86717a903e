"""natfix/routing/subnet_env.py: subnet.env, as flannel writes it and as people seed it."""

import pytest

from natfix.routing.subnet import Subnet
from natfix.routing.subnet_env import SubnetEnv, render_subnet_env
from natfix.ruleset import Family, parse_network

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


CLUSTER = (parse_network("172.7.0.0/16"), parse_network("fd00:7::/48"))
OWN = Subnet.parse_key("172.7.21.0-24&fd00:7:0:21::-64")


def test_both_families_are_written_as_flannel_writes_them() -> None:
    assert render_subnet_env(CLUSTER, OWN, mtu=1500, ip_masq=False) == WRITTEN


def test_ipv4_alone_is_written_without_the_lines_of_ipv6() -> None:
    written = render_subnet_env(CLUSTER[:1], Subnet(OWN.ipv4), mtu=1450, ip_masq=True)
    assert written == b"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\nFLANNEL_MTU=1450\nFLANNEL_IPMASQ=true\n"


def test_ipv6_alone_is_written_without_the_lines_of_ipv4() -> None:
    written = render_subnet_env(CLUSTER[1:], Subnet(ipv6=OWN.ipv6), mtu=1430, ip_masq=False)
    assert written.splitlines()[:2] == [b"FLANNEL_IPV6_NETWORK=fd00:7::/48", b"FLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64"]


@pytest.mark.parametrize("subnet", [OWN, Subnet(ipv6=OWN.ipv6)])
def test_a_subnet_of_other_families_than_the_cluster_s_is_not_written(subnet: Subnet) -> None:
    with pytest.raises(ValueError, match=r"family|zip\(\)"):
        render_subnet_env(CLUSTER[:1], subnet, mtu=1500, ip_masq=False)


def test_the_subnet_a_host_had_is_read_back() -> None:
    assert SubnetEnv.parse(WRITTEN).subnet == OWN
    assert SubnetEnv.parse(b"FLANNEL_SUBNET=172.7.21.1/24\n").subnet == Subnet(OWN.ipv4)


@pytest.mark.parametrize(
    "text", [b"", b"FLANNEL_SUBNET=nonsense", b"FLANNEL_SUBNET=172.7.21.1/24,172.7.22.1/24", b"FLANNEL_NETWORK=172.7.0.0/16"]
)
def test_no_subnet_or_several_are_none_to_take_again(text: bytes) -> None:
    assert SubnetEnv.parse(text).subnet is None
