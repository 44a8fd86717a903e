"""natfix/app/cidrs.py: networks as people write them for natfix."""

import pytest

from natfix.app.cidrs import parse_cidrs
from natfix.errors import UsageError


def written(texts: list[str]) -> list[str]:
    return [str(network) for network in parse_cidrs(texts, "--cluster-cidr")]


def test_networks_of_both_families_are_sorted_ipv4_first() -> None:
    assert written(["fd00:7::/48", "172.7.0.0/16", "10.0.0.0/8"]) == ["10.0.0.0/8", "172.7.0.0/16", "fd00:7::/48"]


def test_one_text_may_hold_several_networks_as_kube_proxy_has_them() -> None:
    assert written(["172.7.0.0/16, fd00:7::/48"]) == ["172.7.0.0/16", "fd00:7::/48"]


def test_a_mask_may_stand_for_the_prefix_length() -> None:
    assert written(["172.7.0.0/255.255.0.0"]) == ["172.7.0.0/16"]


def test_networks_written_twice_or_inside_another_are_left_out() -> None:
    assert written(["172.7.21.0/24", "172.7.0.0/16", "172.7.0.0/16"]) == ["172.7.0.0/16"]


def test_neighbours_stay_apart() -> None:
    assert written(["10.0.0.0/9", "10.128.0.0/9"]) == ["10.0.0.0/9", "10.128.0.0/9"]


def test_nothing_written_is_nothing_said() -> None:
    assert parse_cidrs([], "--cluster-cidr") == ()


@pytest.mark.parametrize(("text", "aligned"), [("172.7.11.0/16", "172.7.0.0/16"), ("fd00:7:0:21::/48", "fd00:7::/48")])
def test_host_bits_are_refused_with_the_network_that_may_be_meant(text: str, aligned: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_cidrs([text], "--cluster-cidr")
    assert str(error.value) == f"--cluster-cidr: {text} has host bits; did you mean {aligned}?"


@pytest.mark.parametrize("text", ["0.0.0.0/0", "::/0", "10.0.0.0/0"])
def test_every_address_is_no_cluster(text: str) -> None:
    with pytest.raises(UsageError, match=f"{text} is every address, not a cluster"):
        parse_cidrs([text], "--cluster-cidr")


@pytest.mark.parametrize("text", ["172.7.0.0", "", " ", "172.7.0.0/", "172.7.0.0/16,", "fe80::%eth0/64"])
def test_a_network_without_a_prefix_length_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no network with a prefix length"):
        parse_cidrs([text], "--cluster-cidr")


@pytest.mark.parametrize("text", ["172.7/16", "172.7.0.0/33", "cluster/16", "172.7.0.0/255.0.255.0", "fd00::/129"])
def test_what_is_no_network_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="is no network") as error:
        parse_cidrs([text], "--cluster-cidr")
    assert error.value.hint is not None
    assert "172.7.0.0/16" in error.value.hint
