"""natfix/routing/subnet.py: one host's networks, and the keys flannel gives them."""

import pytest

from natfix.routing.subnet import Subnet
from natfix.ruleset import parse_network


def subnet(*texts: str) -> Subnet:
    return Subnet.of(parse_network(text) for text in texts)


@pytest.mark.parametrize(
    ("key", "texts"),
    [
        ("172.7.21.0-24", ("172.7.21.0/24",)),
        ("172.7.21.0-24&fd00:7:21::-64", ("172.7.21.0/24", "fd00:7:21::/64")),
        ("0.0.0.0-0&fd00:7:21::-64", ("fd00:7:21::/64",)),
        ("172.7.21.0-31", ("172.7.21.0/31",)),
        ("0.0.0.0-0&fd00:7:21::-127", ("fd00:7:21::/127",)),
    ],
)
def test_keys_are_read_and_written_as_flannel_does(key: str, texts: tuple[str, ...]) -> None:
    assert Subnet.parse_key(key) == subnet(*texts)
    assert subnet(*texts).key == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "config",
        "172.7.21.0",
        "172.7.21.0/24",
        "172.7.21.0-24\n",
        " 172.7.21.0-24",
        "x172.7.21.0-24",
        "172.7.21.0-24&",
        "172.7.21.0-24&fd00::",
        "172.7.21.0-024",
        "172.7.021.0-24",
        "172.7.21.5-24",
        "172.7.21-24",
        "172.7.21.0-32",
        "172.7.21.0-33",
        "128.0.0.0-0",
        "0.0.0.0-0",
        "0.0.0.0-0&::-0",
        "0.0.0.0-0&fd00::-128",
        "0.0.0.0-0&fd00:0::-64",
        "0.0.0.0-0&FD00::-64",
        "0.0.0.0-0&fd00::1-64",
        "१72.7.21.0-24",
    ],
)
def test_what_flannel_would_not_write_is_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="is no key of a subnet"):
        Subnet.parse_key(key)


def test_a_subnet_has_one_network_of_each_family_at_most_and_one_at_least() -> None:
    with pytest.raises(ValueError, match="needs a network of one family at least"):
        Subnet()
    with pytest.raises(ValueError, match=r"not 172\.7\.21\.0/24 and 172\.7\.22\.0/24"):
        subnet("172.7.21.0/24", "172.7.22.0/24")


def test_subnets_overlap_when_one_family_does() -> None:
    dual = subnet("172.7.21.0/24", "fd00:7:21::/64")
    assert dual.overlaps(subnet("172.7.21.128/25"))
    assert dual.overlaps(subnet("172.7.99.0/24", "fd00:7::/32"))
    assert not dual.overlaps(subnet("172.7.22.0/24"))
    assert not subnet("172.7.21.0/24").overlaps(subnet("fd00:7:21::/64"))


def test_a_subnet_spells_itself_for_people() -> None:
    assert str(subnet("172.7.21.0/24")) == "172.7.21.0/24"
    assert str(subnet("172.7.21.0/24", "fd00:7:21::/64")) == "172.7.21.0/24 and fd00:7:21::/64"


def test_subnets_are_sorted_by_address_not_by_their_text() -> None:
    keys = ["0.0.0.0-0&fd00:7::-64", "10.0.2.0-24", "10.0.2.0-25", "10.0.10.0-24", "10.0.10.0-24&fd00:7::-64"]
    assert [one.key for one in sorted(map(Subnet.parse_key, reversed(keys)))] == keys
