"""natfix/ruleset/addresses.py: families and networks as iptables writes them."""

from ipaddress import ip_network

import pytest

from natfix.ruleset.addresses import Family, family_of, has_host_bits, parse_network


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("172.7.11.9/16", "172.7.0.0/16"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("0.0.0.0/0.0.0.0", "0.0.0.0/0"),
        ("10.1.2.3/255.255.255.255", "10.1.2.3/32"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::1", "fd00::1/128"),
        ("fd00:21::9/64", "fd00:21::/64"),
        ("::/0", "::/0"),
    ],
)
def test_a_network_is_read_as_iptables_reads_it(text: str, network: str) -> None:
    assert parse_network(text) == ip_network(network)


@pytest.mark.parametrize(
    "text",
    ["", "pod", "10.0.0", "10.0.0.0/33", "10.0.0.0/", "10.0.0.1/255.0.255.0", "10.0.0.1/0.0.0.255", "10.0.0.0/8/8",
     "fd00::/129", "fd00::1/ffff::1", "1.2.3.4:80", "[fd00::1]:80", "10.0.0.1-10.0.0.9"],
)  # fmt: skip
def test_what_no_prefix_can_say_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_network(text)


def test_a_mask_with_holes_is_named() -> None:
    with pytest.raises(ValueError, match=r"^the mask 255\.0\.255\.0 has holes$"):
        parse_network("10.0.0.1/255.0.255.0")


@pytest.mark.parametrize("text", ["172.7.11.0/16", "10.0.0.1/255.0.0.0", "fd00::1/64", "0.0.0.1/0"])
def test_bits_beyond_the_prefix_are_seen(text: str) -> None:
    assert has_host_bits(text)


@pytest.mark.parametrize("text", ["172.7.0.0/16", "10.0.0.1", "10.0.0.0/255.0.0.0", "fd00::/64", "0.0.0.0/0"])
def test_an_aligned_network_has_no_bits_beyond_its_prefix(text: str) -> None:
    assert not has_host_bits(text)


def test_a_family_knows_its_networks_and_its_width() -> None:
    assert family_of(parse_network("10.0.0.0/8")) is Family.IPV4
    assert family_of(parse_network("fd00::/8")) is Family.IPV6
    assert [family.width for family in Family] == [32, 128]
