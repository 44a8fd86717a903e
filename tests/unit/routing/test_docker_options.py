"""natfix/routing/docker_options.py: what Docker is told, as flannel's mk-docker-opts.sh says it.

The expected bytes were printed by that script (flannel's main branch) under dash, for these very files.
"""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest

from natfix.errors import ConfigError
from natfix.routing.docker_options import DockerOptions
from natfix.routing.subnet_env import SubnetEnv
from natfix.ruleset import parse_network

SEEDED = b"FLANNEL_NETWORK=172.7.0.0/16\nFLANNEL_SUBNET=172.7.21.1/24\nFLANNEL_MTU=1500\nFLANNEL_IPMASQ=false\n"
MASKED = SEEDED.replace(b"IPMASQ=false", b"IPMASQ=true")
DUAL = SEEDED + b"FLANNEL_IPV6_NETWORK=fd00:7::/48\nFLANNEL_IPV6_SUBNET=fd00:7:0:21::1/64\n"
INDIVIDUAL = b'DOCKER_OPT_BIP="--bip=172.7.21.1/24"\nDOCKER_OPT_IPMASQ="--ip-masq=true"\nDOCKER_OPT_MTU="--mtu=1500"\n'
COMBINED = b'DOCKER_OPTS=" --bip=172.7.21.1/24 --ip-masq=true --mtu=1500"\n'


def options(env: bytes = SEEDED, *, ip_masq: bool = True) -> DockerOptions:
    return DockerOptions.of(SubnetEnv.parse(env), ip_masq=ip_masq)


def test_both_forms_are_written_unless_one_is_asked_for() -> None:
    assert options().environment() == INDIVIDUAL + COMBINED
    assert options().environment(combined=False) == INDIVIDUAL
    assert options().environment(individual=False) == COMBINED
    assert options().environment(individual=False, combined=False) == b""


def test_docker_masquerades_when_the_node_agent_does_not_and_the_other_way_round() -> None:
    assert options(MASKED).environment(individual=False) == b'DOCKER_OPTS=" --bip=172.7.21.1/24 --ip-masq=false --mtu=1500"\n'
    unsaid = options(ip_masq=False)
    assert unsaid.ip_masq is None
    assert unsaid.environment(individual=False) == b'DOCKER_OPTS=" --bip=172.7.21.1/24 --mtu=1500"\n'


def test_what_the_environment_says_already_stands_first_and_more_options_in_order() -> None:
    environ = {"DOCKER_OPTS": "--debug", "DOCKER_OPT_AAA": "--aaa", "DOCKER_OPT_Z": "--z=1", "PATH": "/bin"}
    assert options().environment(environ=environ) == (
        b'DOCKER_OPT_AAA="--aaa"\n' + INDIVIDUAL + b'DOCKER_OPT_Z="--z=1"\n'
        b'DOCKER_OPTS="--debug  --aaa --bip=172.7.21.1/24 --ip-masq=true --mtu=1500 --z=1"\n'
    )


def test_the_combined_options_may_have_another_name() -> None:
    named = options().environment(individual=False, key="DOCKER_NETWORK_OPTIONS")
    assert named == COMBINED.replace(b"DOCKER_OPTS", b"DOCKER_NETWORK_OPTIONS")


def test_a_file_that_says_nothing_leaves_everything_to_docker() -> None:
    assert options(b"") == DockerOptions()
    assert options(b"").environment() == b'DOCKER_OPTS=""\n'
    assert options(b"").daemon_json() == {}


def test_daemon_json_says_the_same_and_ipv6_too() -> None:
    assert options(DUAL).daemon_json() == {
        "bip": "172.7.21.1/24",
        "ipv6": True,
        "fixed-cidr-v6": "fd00:7:0:21::/64",
        "ip-masq": True,
        "mtu": 1500,
    }
    wanted = DockerOptions(IPv4Interface("172.7.21.1/24"), 1500, ip_masq=True, ipv6=parse_network("fd00:7:0:21::/64"))
    assert options(DUAL) == wanted
    assert b"fd00" not in options(DUAL).environment()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"FLANNEL_SUBNET=172.7.21.1", "FLANNEL_SUBNET=172.7.21.1 is no address with a prefix, such as 172.7.21.1/24"),
        (b"FLANNEL_SUBNET=172.7.21.1/x", "FLANNEL_SUBNET=172.7.21.1/x is no address with a prefix"),
        (b"FLANNEL_SUBNET=172.7.21/24", "FLANNEL_SUBNET=172.7.21/24 is no address with a prefix"),
        (b"FLANNEL_MTU=large", "FLANNEL_MTU=large is no number of bytes, such as 1500"),
        (b"FLANNEL_MTU=-1", "FLANNEL_MTU=-1 is no number of bytes"),
        (b"FLANNEL_IPMASQ=yes", "FLANNEL_IPMASQ=yes is neither true nor false"),
    ],
)
def test_what_docker_would_stumble_over_is_refused_by_name(line: bytes, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        options(line)
    assert error.value.message.startswith(message)
