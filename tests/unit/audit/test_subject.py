"""natfix/audit/subject.py: the container subnets of a host, and the packets that must keep their source."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from natfix.audit import HostFacts
from natfix.audit import subject as reading
from natfix.audit.subject import Locality, bridge_of, excluded_destination
from natfix.packets.ipset import parse_ipsets
from natfix.ruleset import Family, Rule, parse, parse_network
from tests.unit.audit.subjects import BROAD, CORRECTED, networks, ruleset, subject, subject_of


def rule(spec: str) -> Rule:
    return Rule("POSTROUTING", spec)


def number(text: str) -> int:
    return int(ip_address(text))


def test_a_subnet_of_the_cluster_that_a_rule_names_is_local() -> None:
    assert subject(BROAD).localities == (Locality(networks(["172.7.21.0/24"]), "docker0"),)


def test_sources_outside_of_the_cluster_the_cluster_itself_and_negated_ones_are_not() -> None:
    rules = ["-s 192.168.122.0/24 -j MASQUERADE", "-s 172.7.0.0/16 -j MASQUERADE", "! -s 172.7.21.0/24 -j MASQUERADE"]
    assert subject(*rules).localities == ()


def test_subnets_that_stand_in_a_set_of_sources_are_local() -> None:
    sets = parse_ipsets("create pools hash:net\nadd pools 172.7.21.0/24\nadd pools 192.168.0.0/16\n", "sets")

    def found(spec: str) -> tuple[Locality, ...]:
        return replace(subject(spec), ipsets=sets).localities

    assert found("-m set --match-set pools src -j MASQUERADE") == (Locality(networks(["172.7.21.0/24"])),)
    for spec in ("--match-set pools dst", "! --match-set pools src", "--match-set pools src,dst", "--match-set gone src"):
        assert found(f"-m set {spec} -j MASQUERADE") == ()


def test_a_network_that_lies_in_one_known_already_adds_nothing() -> None:
    one = subject("-s 172.7.21.2/32 -d 172.7.21.2/32 -j MASQUERADE", BROAD, CORRECTED)
    assert one.localities == (Locality(networks(["172.7.21.0/24"]), "docker0"),)


def test_what_bridges_say_comes_before_what_rules_say() -> None:
    text = ruleset(BROAD, "-s 172.7.99.0/24 ! -o br-1 -j MASQUERADE")
    bridges = {"cni0": ["172.7.21.0/24"], "virbr0": ["192.168.122.0/24"], "br-1": ["172.7.99.0/24"], "docker0": ["fd00::/64"]}
    assert subject_of(text, bridges=bridges).localities == (
        Locality(networks(["172.7.21.0/24"]), "cni0"),
        Locality(networks(["172.7.99.0/24"]), "br-1"),
    )


def test_subnets_of_one_bridge_are_one_locality() -> None:
    one = subject(BROAD, "-s 172.7.22.0/24 ! -o docker0 -j MASQUERADE", "-s 172.7.31.0/24 -j MASQUERADE")
    assert one.localities == (
        Locality(networks(["172.7.21.0/24", "172.7.22.0/24"]), "docker0"),
        Locality(networks(["172.7.31.0/24"])),
    )


def test_a_cidr_of_several_that_hangs_on_a_bridge_is_local() -> None:
    one = subject(BROAD, "-s 172.7.22.0/24 -j MASQUERADE", cluster=["172.7.21.0/24", "172.7.22.0/24"])
    assert one.localities == (Locality(networks(["172.7.21.0/24"]), "docker0"),)
    assert one.is_local(parse_network("172.7.21.0/24"))
    assert not one.is_local(parse_network("172.7.22.0/24"))
    assert not one.is_local(parse_network("fd00::/64"))


def test_protected_packets_go_from_the_subnet_to_the_rest_of_the_cluster_by_another_device() -> None:
    one = subject(BROAD)
    packets = one.protected(one.localities[0])
    assert packets is not None
    assert packets.source.ranges == ((number("172.7.21.0"), number("172.7.21.255")),)
    assert number("172.7.20.255") in packets.destination
    assert number("172.7.22.0") in packets.destination
    assert number("172.7.21.9") not in packets.destination
    assert number("172.8.0.0") not in packets.destination
    assert [name in packets.out_interface for name in ("eth0", "docker0", "lo")] == [True, False, False]
    assert packets.source_type == packets.destination_type == frozenset({"UNICAST"})
    assert packets.state == frozenset({"NEW"})
    assert 1 not in packets.mark


def test_without_a_bridge_protected_packets_leave_by_any_device_but_lo() -> None:
    packets = subject(BROAD).protected(Locality(networks(["172.7.21.0/24"])))
    assert packets is not None
    assert [name in packets.out_interface for name in ("eth0", "docker0", "lo")] == [True, True, False]


def test_a_cluster_without_a_rest_protects_nothing() -> None:
    assert subject(BROAD).protected(Locality(networks(["172.7.0.0/16"]), "docker0")) is None


def test_a_rule_is_stale_when_its_bridge_has_other_subnets_or_is_gone() -> None:
    host = subject_of(
        ruleset(BROAD), bridges={"docker0": ["172.7.22.0/24", "fd00::/64"]}, devices={"eth0": "10.4.7.21", "tun0": ""}
    )
    assert host.is_stale(rule(BROAD))
    assert host.is_stale(rule("-s 172.7.22.0/24 ! -o br-gone -j MASQUERADE"))
    assert not host.is_stale(rule("-s 172.7.22.0/25 ! -o docker0 -j MASQUERADE"))
    assert not host.is_stale(rule("-s 10.8.0.0/24 ! -o tun0 -j MASQUERADE"))
    assert not host.is_stale(rule("! -o docker0 -j MASQUERADE"))
    assert not host.is_stale(rule("-s 172.7.21.0/24 -j MASQUERADE"))
    assert host.localities == (Locality(networks(["172.7.22.0/24"]), "docker0"),)


def test_without_a_host_nothing_is_known_to_be_stale() -> None:
    assert not subject(BROAD).has_host
    assert not subject(BROAD).is_stale(rule(BROAD))


@pytest.mark.parametrize(
    ("spec", "bridge"),
    [
        (BROAD, "docker0"),
        ("-s 172.7.21.0/24 -o docker0 -j MASQUERADE", ""),
        ("-s 172.7.21.0/24 ! -o cilium_+ -j MASQUERADE", ""),
        ("-s 172.7.21.0/24 ! -o lo -j MASQUERADE", ""),
        ("-j MASQUERADE", ""),
    ],
)
def test_a_bridge_is_the_one_device_that_a_rule_leaves_out(spec: str, bridge: str) -> None:
    assert bridge_of(rule(spec)) == bridge


def test_an_excluded_destination_is_a_negated_one() -> None:
    assert excluded_destination(rule(CORRECTED)) == parse_network("172.7.0.0/16")
    assert excluded_destination(rule("-d 172.7.0.0/16 -j ACCEPT")) is None
    assert excluded_destination(rule(BROAD)) is None
    assert excluded_destination(rule("! -d 172.7.0.0/255.0.255.0 -j MASQUERADE")) is None


def test_chains_and_rules_are_those_that_postrouting_reaches() -> None:
    one = subject("-j A", chains={"A": ["-j RETURN"], "B": ["-j MASQUERADE"]})
    assert [chain.name for chain in one.chains] == ["POSTROUTING", "A"]
    assert [str(each) for each in one.rules] == ["-A POSTROUTING -j A", "-A A -j RETURN"]


def test_a_text_gives_its_nat_table_and_all_that_stands_beside_it() -> None:
    text = (
        "# Warning: one\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s fd00::/64 -j ACCEPT\nCOMMIT\n"
        "*mangle\n:PREROUTING ACCEPT\nCOMMIT\n"
        f"*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {BROAD}\nCOMMIT\n"
    )
    read = parse(text.encode(), "x")
    facts = HostFacts(counters={"insert_failed": 1})
    made = reading.subject_of(read, Family.IPV4, map(parse_network, ("fd00::/16", "172.7.0.0/16")), facts)
    assert made is not None
    assert [str(each) for each in made.cluster] == ["172.7.0.0/16"]
    assert ([each.family for each in made.beside], list(made.filtering)) == ([Family.IPV6], ["mangle"])
    assert (made.facts, made.warnings, made.dumped) == (facts, ("Warning: one",), True)
    assert reading.subject_of(parse(b"*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n", "x"), Family.IPV4, ()) is None


def test_what_the_other_half_of_a_text_says_tells_of_containers_too() -> None:
    halves = "# Generated by ip{}tables-save v1.8.9{}\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {}\nCOMMIT\n"
    parts = [("", " (nf_tables)", BROAD), ("", "", "-j MASQUERADE"), ("6", "", "-s fd00::/64 -j MASQUERADE")]
    both = parse("".join(halves.format(*part) for part in parts).encode(), "x").by_backend()
    legacy = reading.subject_of(both[1], Family.IPV4, [parse_network("172.7.0.0/16")], halves=both)
    assert legacy is not None
    assert [(each.networks, each.bridge) for each in legacy.localities] == [((parse_network("172.7.21.0/24"),), "docker0")]
    assert [(each.family, each.variant) for each in legacy.beside] == [(Family.IPV4, "nft"), (Family.IPV6, "legacy")]
