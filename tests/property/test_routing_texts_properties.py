"""What holds for every text that a store, a file or a person hands the routing core: it is read, or refused as it should be."""

from __future__ import annotations

import json
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network

from hypothesis import given
from hypothesis import strategies as st

from natfix.errors import ConfigError
from natfix.routing import (
    DockerOptions,
    Entry,
    NetworkConfig,
    Subnet,
    SubnetEnv,
    decode_attributes,
    render_subnet_env,
    take_snapshot,
)

NAMES = ("Network", "SubnetLen", "EnableIPv6", "Backend", "Type", "VNI", "PublicIP", "PublicIPv6", "BackendData", "VtepMAC")
TEXTS = (
    "172.7.0.0/16",
    "172.7.0.0",
    "fd00:7::/48",
    "10.4.7.21",
    "::1",
    "host-gw",
    "VXLAN",
    "",
    "fe80::1%eth0",
    "\ud800",
    "0.0.0.0",  # noqa: S104  (no socket)
)

names = st.sampled_from(NAMES).flatmap(lambda name: st.sampled_from([name, name.lower(), name.upper()])) | st.text(max_size=3)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(TEXTS)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=6), max_leaves=12
)
texts = documents.map(json.dumps) | documents.map(lambda one: json.dumps(one)[:-1]) | st.text(max_size=20)
keys = st.from_regex(r"[0-9.]{1,15}-[0-9]{1,3}(&[0-9a-f:]{2,9}-[0-9]{1,3})?", fullmatch=True) | st.text(max_size=12)
networks4 = st.builds(
    lambda number, length: IPv4Network((number, length), strict=False), st.integers(0, 2**32 - 1), st.integers(1, 30)
)
networks6 = st.builds(
    lambda number, length: IPv6Network((number, length), strict=False), st.integers(0, 2**128 - 1), st.integers(1, 126)
)
subnets = st.builds(Subnet, networks4) | st.builds(Subnet, st.none(), networks6) | st.builds(Subnet, networks4, networks6)


@given(texts)
def test_a_configuration_is_read_or_refused(text: str) -> None:
    with suppress(ConfigError):
        config = NetworkConfig.parse(text)
        assert NetworkConfig.parse(config.to_json()) == config


@given(st.binary(max_size=12) | texts)
def test_a_lease_is_read_or_refused(text: str | bytes) -> None:
    with suppress(ConfigError):
        decode_attributes(text)


@given(st.lists(st.tuples(keys, texts), max_size=4))
def test_a_store_is_read_whatever_it_holds(held: list[tuple[str, str]]) -> None:
    snapshot = take_snapshot([Entry(key, value) for key, value in held], 1)
    assert len(snapshot.leases) + len(snapshot.unreadable) >= len(held)
    assert list(snapshot.leases) == sorted(snapshot.leases, key=lambda lease: lease.subnet)


@given(keys)
def test_a_key_is_read_as_the_subnet_that_has_it_or_refused(key: str) -> None:
    try:
        subnet = Subnet.parse_key(key)
    except ValueError as error:
        assert "is no key of a subnet" in str(error)  # noqa: PT017  (most keys are right or wrong by chance)
    else:
        assert subnet.key == key


@given(subnets)
def test_every_subnet_has_a_key_that_leads_back_to_it(subnet: Subnet) -> None:
    assert Subnet.parse_key(subnet.key) == subnet


@given(subnets, st.integers(68, 65535), st.booleans())
def test_a_subnet_is_read_back_from_its_file(subnet: Subnet, mtu: int, ip_masq: bool) -> None:  # noqa: FBT001
    env = SubnetEnv.parse(render_subnet_env(subnet.networks, subnet, mtu=mtu, ip_masq=ip_masq))
    assert env.subnet == subnet
    options = DockerOptions.of(env)
    assert (options.mtu, options.ip_masq) == (mtu, not ip_masq)
    assert (options.bip.network if options.bip else None) == subnet.ipv4
    assert options.ipv6 == subnet.ipv6


@given(
    st.binary(max_size=60)
    | st.builds(lambda value: f"FLANNEL_SUBNET={value}\nFLANNEL_MTU={value}".encode(), st.text(max_size=9))
)
def test_any_file_says_something_or_nothing_of_a_subnet(data: bytes) -> None:
    env = SubnetEnv.parse(data)
    assert env.subnet is None or env.subnet.networks
    with suppress(ConfigError):
        DockerOptions.of(env)
