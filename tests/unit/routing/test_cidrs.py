"""natfix/routing/cidrs.py: networks as running programs tell them."""

from natfix.routing.cidrs import merge, read_cidrs
from natfix.ruleset import parse_network


def test_what_another_program_has_in_force_loses_its_host_bits() -> None:
    assert [str(network) for network in read_cidrs("172.7.21.1/24,fd00::1/64")] == ["172.7.21.0/24", "fd00::/64"]


def test_what_another_program_cannot_mean_is_passed_over() -> None:
    assert [str(network) for network in read_cidrs("nonsense, 0.0.0.0/0,,10.244.0.0/16")] == ["10.244.0.0/16"]


def test_networks_inside_another_are_left_out_and_families_are_kept_apart() -> None:
    networks = [parse_network(text) for text in ("fd00::/8", "172.7.21.0/24", "172.7.0.0/16", "fd00:7::/48", "10.0.0.0/8")]
    assert [str(network) for network in merge(networks)] == ["10.0.0.0/8", "172.7.0.0/16", "fd00::/8"]
