"""natfix/routing/network.py: the configuration of a cluster's network, with flannel's rules and defaults."""

from __future__ import annotations

import json

import pytest

from natfix.errors import ConfigError
from natfix.routing.backend_config import HostGw, Vxlan
from natfix.routing.network import NetworkConfig
from natfix.routing.pool import Pool

HOST_GW = {"Type": "host-gw"}


def config(**said: object) -> NetworkConfig:
    return NetworkConfig.parse(json.dumps({"Backend": HOST_GW, **said}))


def pool(**said: object) -> Pool:
    found = config(**said).pools
    return found[-1]


def problem(**said: object) -> ConfigError:
    with pytest.raises(ConfigError) as error:
        config(**said)
    return error.value


def six(**said: object) -> dict[str, object]:
    """The same settings for IPv6 alone."""
    return {"EnableIPv4": False, "EnableIPv6": True, **{f"IPv6{name}": value for name, value in said.items()}}


def test_the_article_s_configurations_are_read() -> None:
    typed = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "host-gw"}}')
    assert typed.backend == HostGw()
    assert [str(network) for network in typed.networks] == ["172.7.0.0/16"]
    mixed = NetworkConfig.parse('{"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan","Directrouting": true}}')
    assert mixed.backend == Vxlan(direct_routing=True)


def test_a_sixteen_yields_255_subnets_without_the_first() -> None:
    found = pool(Network="172.7.0.0/16")
    assert (found.subnet_len, str(found.subnet_min), str(found.subnet_max)) == (24, "172.7.1.0", "172.7.255.0")
    assert (found.count, found.size) == (255, 256)
    assert [str(found.subnet(index)) for index in (0, 20, 254)] == ["172.7.1.0/24", "172.7.21.0/24", "172.7.255.0/24"]


@pytest.mark.parametrize(
    ("network", "length"),
    [("10.0.0.0/8", 24), ("10.0.0.0/22", 24), ("10.0.0.0/23", 25), ("10.0.0.0/28", 30), ("fd00::/32", 64), ("fd00::/62", 64)],
)
def test_subnets_have_flannel_s_length_by_default(network: str, length: int) -> None:
    said = {"Network": network} if "." in network else six(Network=network)
    assert pool(**said).subnet_len == length
    assert pool(**{**said, ("" if "." in network else "IPv6") + "SubnetLen": 0}).subnet_len == length


def test_a_small_network_of_ipv6_has_subnets_two_longer() -> None:
    assert pool(**six(Network="fd00::/63")).subnet_len == 65
    assert pool(**six(Network="fd00::/124")).subnet_len == 126


def test_dual_stack_has_a_pool_of_each_family() -> None:
    both = config(Network="172.7.0.0/16", EnableIPv6=True, IPv6Network="fd00:7::/48")
    assert [str(network) for network in both.networks] == ["172.7.0.0/16", "fd00:7::/48"]
    assert both.ipv6 is not None
    assert (both.ipv6.subnet_len, str(both.ipv6.subnet_min), both.ipv6.count) == (64, "fd00:7:0:1::", 65535)


def test_ipv6_alone_needs_no_network_of_ipv4() -> None:
    alone = config(**six(Network="fd00:7::/48"))
    assert alone.ipv4 is None
    assert [str(network) for network in alone.networks] == ["fd00:7::/48"]


def test_limits_and_length_are_read_in_any_case() -> None:
    found = pool(network="10.0.0.0/8", subnetlen=20, subnetmin="10.10.0.0", SUBNETMAX="10.99.0.0")
    assert (found.subnet_len, str(found.subnet_min), str(found.subnet_max)) == (20, "10.10.0.0", "10.99.0.0")
    assert found.count == (89 << 4) + 1


def test_one_subnet_is_a_pool() -> None:
    assert pool(Network="172.7.0.0/16", SubnetMin="172.7.21.0", SubnetMax="172.7.21.0").count == 1


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "Network is missing, so there is nothing to lease IPv4 subnets from"),
        ({"Network": None}, "Network is missing"),
        (six(), "IPv6Network is missing, so there is nothing to lease IPv6 subnets from"),
        ({"Network": "0.0.0.0/0"}, 'Network "0.0.0.0/0" is every address there is, not a cluster\'s'),
        (six(Network="::/0"), 'IPv6Network "::/0" is every address there is'),
        ({"Network": "fd00::/48"}, 'Network "fd00::/48" is no IPv4 network'),
        ({"Network": "172.7.0.0/29"}, 'Network "172.7.0.0/29" is too small; four subnets of four addresses each need a /28'),
        ({"Network": "172.7.0.0/29", "SubnetLen": 30}, 'Network "172.7.0.0/29" is too small'),
        (six(Network="fd00::/125"), 'IPv6Network "fd00::/125" is too small; four subnets of four addresses each need a /124'),
        ({"SubnetLen": 31}, "SubnetLen 31 leaves a host fewer than four addresses; it must be 30 or less"),
        (
            six(Network="fd00::/48", SubnetLen=127),
            "IPv6SubnetLen 127 leaves a host fewer than four addresses; it must be 126 or less",
        ),
        ({"SubnetLen": 17}, "SubnetLen 17 leaves fewer than four subnets in 172.7.0.0/16; it must be 18 or more"),
        ({"SubnetLen": -1}, "SubnetLen -1 leaves fewer than four subnets"),
        (
            six(Network="fd00::/48", SubnetLen=49),
            "IPv6SubnetLen 49 leaves fewer than four subnets in fd00::/48; it must be 50 or more",
        ),
        ({"SubnetMin": "10.0.0.0"}, 'SubnetMin "10.0.0.0" is not in 172.7.0.0/16, and every subnet must be'),
        ({"SubnetMax": "172.8.0.0"}, 'SubnetMax "172.8.0.0" is not in 172.7.0.0/16'),
        ({"SubnetMin": "172.7.5.1"}, 'SubnetMin "172.7.5.1" is not where a /24 begins; did you mean 172.7.5.0?'),
        ({"SubnetMax": "172.7.5.255"}, 'SubnetMax "172.7.5.255" is not where a /24 begins; did you mean 172.7.5.0?'),
        (six(Network="fd00::/48", SubnetMin="fd01::"), 'IPv6SubnetMin "fd01::" is not in fd00::/48'),
        (
            six(Network="fd00::/48", SubnetMax="fd00::1"),
            'IPv6SubnetMax "fd00::1" is not where a /64 begins; did you mean fd00::?',
        ),
        (
            {"SubnetMin": "172.7.9.0", "SubnetMax": "172.7.8.0"},
            "SubnetMin 172.7.9.0 is above SubnetMax 172.7.8.0, so no host would ever find a free subnet",
        ),
        ({"SubnetMax": "172.7.0.0"}, "SubnetMin 172.7.1.0 is above SubnetMax 172.7.0.0"),
        (
            six(Network="fd00::/48", SubnetMin="fd00:0:0:9::", SubnetMax="fd00:0:0:8::"),
            "IPv6SubnetMin fd00:0:0:9:: is above IPv6SubnetMax fd00:0:0:8::",
        ),
        ({"EnableIPv4": False}, "EnableIPv4 and EnableIPv6 are both false, so there is nothing to address"),
        ({"EnableIPv4": "no"}, 'EnableIPv4 "no" is neither true nor false'),
        ({"EnableNFTables": 1}, "EnableNFTables 1 is neither true nor false"),
        ({"Backend": None}, "Backend is missing; flannel's own nodes would fall back to its slow udp tunnel"),
        ({"Backend": "host-gw"}, 'Backend: "host-gw" is no JSON object'),
        ({"Backend": {}}, "Backend: Type is missing"),
    ],
)
def test_what_no_host_could_work_with_is_refused_with_the_reason(said: dict[str, object], message: str) -> None:
    network = {} if "Network" in said or said.get("EnableIPv6") or not said else {"Network": "172.7.0.0/16"}
    assert problem(**network, **said).message.startswith(
        (f"the network configuration: {message}", f"the network configuration, {message}")
    )


def test_a_missing_backend_is_an_error_that_names_the_choices() -> None:
    with pytest.raises(ConfigError) as error:
        NetworkConfig.parse('{"Network": "172.7.0.0/16"}', "etcd's /coreos.com/network/config")
    assert error.value.message.startswith("etcd's /coreos.com/network/config: Backend is missing")
    assert error.value.hint is not None
    assert "host-gw" in error.value.hint
    assert "vxlan" in error.value.hint


def test_a_tunnel_too_narrow_for_ipv6_is_refused_in_dual_stack_alone() -> None:
    narrow = {"Network": "172.7.0.0/16", "Backend": {"Type": "vxlan", "MTU": 1300}}
    assert config(**narrow).backend == Vxlan(mtu=1300)
    message = problem(**narrow, EnableIPv6=True, IPv6Network="fd00:7::/48").message
    assert message.startswith("the network configuration, Backend: MTU 1300 leaves 1230 bytes")


def test_what_is_written_and_says_nothing_is_told() -> None:
    found = config(Network="172.7.0.0/16", Netwrok="x", IPv6SubnetLen=64, Backend={**HOST_GW, "VNI": 1})
    assert found.ignored == (
        "IPv6SubnetLen counts only with EnableIPv6",
        "Netwrok is nothing that flannel knows",
        "Backend.VNI is no option of host-gw",
    )
    assert found == config(Network="172.7.0.0/16")


@pytest.mark.parametrize(
    "said",
    [
        {"Network": "172.7.0.0/16"},
        {"Network": "10.0.0.0/8", "SubnetLen": 20, "SubnetMin": "10.10.0.0", "SubnetMax": "10.99.0.0", "EnableNFTables": True},
        {
            "Network": "172.7.0.0/16",
            "EnableIPv6": True,
            "IPv6Network": "fd00:7::/48",
            "Backend": {"Type": "vxlan", "MTU": 9000},
        },
        six(Network="fd00:7::/48"),
    ],
)
def test_what_is_written_is_read_again(said: dict[str, object]) -> None:
    found = config(**said)
    assert NetworkConfig.parse(found.to_json()) == found
    assert NetworkConfig.parse(found.to_json()).ignored == ()


def test_every_default_is_spelled_out() -> None:
    assert config(Network="172.7.5.9/16").to_json() == (
        '{"Network": "172.7.0.0/16", "SubnetLen": 24, "SubnetMin": "172.7.1.0", "SubnetMax": "172.7.255.0",'
        ' "Backend": {"Type": "host-gw"}}'
    )
