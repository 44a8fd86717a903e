"""natfix/routing/rules.py: the node agent's own chains, and their place beside Docker's rules."""

from __future__ import annotations

import pytest

from natfix.audit import Subject, audit_table
from natfix.host.catalogue import read_catalogue
from natfix.packets import Fate, Intervals, Names, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.routing.rules import OwnChain, forward_rules, masquerade_rules, removal_script, settle_script
from natfix.ruleset import Family, Table, parse, parse_network

NETWORK, SUBNET = parse_network("172.7.0.0/16"), parse_network("172.7.21.0/24")
MASQUERADE = masquerade_rules(NETWORK, SUBNET)
FORWARD = forward_rules(NETWORK)
DOCKER = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
JUMP = '-m comment --comment "natfix masq" -j NATFIX-POSTRTG'
CLUSTER_JUMP = '-m comment --comment "natfix forward" -j NATFIX-CLUSTER'
WIDE_JUMP = '-m comment --comment "natfix forward" -j NATFIX-FWD'
CATALOGUE = read_catalogue(local="/nowhere")


def table(*specs: str, name: str = "nat", hook: str = "POSTROUTING", own: tuple[OwnChain, ...] = ()) -> Table:
    """A table whose hook holds these rules, and natfix's chains as they shall be."""
    chains = [f":{chain.name} - [0:0]" for chain in own]
    rules = [str(rule) for chain in own for rule in chain.rules]
    lines = [f"*{name}", f":{hook} ACCEPT [0:0]", *chains, *(f"-A {hook} {spec}" for spec in specs), *rules, "COMMIT", ""]
    found = parse("\n".join(lines).encode(), "test", Family.IPV4).table(name, Family.IPV4)
    assert found is not None
    return found


def forward(*specs: str, own: tuple[OwnChain, ...] = ()) -> Table:
    return table(*specs, name="filter", hook="FORWARD", own=own)


def steps(script: str) -> list[str]:
    """The lines of a script that add to the chain of a hook or take from it."""
    return [line for line in script.split("\n") if line.startswith(("-I ", "-D "))]


def test_the_rules_are_flannel_s_in_its_order_but_end_the_search_inside_the_cluster() -> None:
    comment = '-m comment --comment "natfix masq"'
    assert [rule.spec.replace(f" {comment}", "") for rule in MASQUERADE.rules] == [
        "-m mark --mark 0x4000/0x4000 -j RETURN",
        "-s 172.7.21.0/24 -d 172.7.21.0/24 -j RETURN",
        "-s 172.7.21.0/24 -d 172.7.0.0/16 -j ACCEPT",
        "-s 172.7.0.0/16 -d 172.7.21.0/24 -j ACCEPT",
        "! -s 172.7.0.0/16 -d 172.7.21.0/24 -j RETURN",
        "-s 172.7.0.0/16 ! -d 224.0.0.0/4 -j MASQUERADE --random-fully",
        "! -s 172.7.0.0/16 -d 172.7.0.0/16 -j MASQUERADE --random-fully",
    ]
    assert all(comment in rule.spec for rule in MASQUERADE.rules)


def test_an_old_iptables_gets_no_random_ports_and_ipv6_its_own_multicast() -> None:
    chain = masquerade_rules(parse_network("fd00:7::/48"), parse_network("fd00:7:0:21::/64"), fully_random=False)
    assert [rule.spec for rule in chain.rules if rule.target == "MASQUERADE"] == [
        '-s fd00:7::/48 ! -d ff00::/8 -m comment --comment "natfix masq" -j MASQUERADE',
        '! -s fd00:7::/48 -d fd00:7::/48 -m comment --comment "natfix masq" -j MASQUERADE',
    ]


def test_an_empty_table_gets_chain_and_jump_in_one_transaction() -> None:
    script = settle_script((MASQUERADE, *FORWARD), table())
    lines = script.split("\n")
    assert lines[:2] == ["*nat", ":NATFIX-POSTRTG - [0:0]"]
    assert lines[2:9] == [str(rule) for rule in MASQUERADE.rules]
    assert lines[9:] == [f"-I POSTROUTING 1 {JUMP}", "COMMIT", ""]


def test_what_is_there_and_right_is_left_alone() -> None:
    assert settle_script((MASQUERADE, *FORWARD), table(JUMP, DOCKER, own=(MASQUERADE,))) == ""
    assert settle_script((MASQUERADE, *FORWARD), table("-j KUBE-POSTROUTING", JUMP, DOCKER, own=(MASQUERADE,))) == ""


def test_a_jump_behind_docker_s_rule_is_moved_before_it_and_the_chain_stays() -> None:
    script = settle_script((MASQUERADE,), table("-j KUBE-POSTROUTING", DOCKER, JUMP, own=(MASQUERADE,)))
    assert script == f"*nat\n-D POSTROUTING {JUMP}\n-I POSTROUTING 2 {JUMP}\nCOMMIT\n"


@pytest.mark.parametrize("target", ["MASQUERADE", "SNAT --to-source 10.4.7.21", "NETMAP --to 10.4.7.0/24"])
def test_the_jump_stands_before_every_rule_that_translates_sources(target: str) -> None:
    script = settle_script((MASQUERADE,), table("-o tun0 -j ACCEPT", f"-o eth0 -j {target}", own=(MASQUERADE,)))
    assert steps(script) == [f"-I POSTROUTING 2 {JUMP}"]


def test_a_second_jump_goes() -> None:
    script = settle_script((MASQUERADE,), table(JUMP, DOCKER, JUMP, own=(MASQUERADE,)))
    assert steps(script) == [f"-D POSTROUTING {JUMP}", f"-D POSTROUTING {JUMP}", f"-I POSTROUTING 1 {JUMP}"]


def test_a_chain_that_somebody_changed_is_filled_anew_and_the_jump_stays() -> None:
    changed = masquerade_rules(NETWORK, parse_network("172.7.22.0/24"))
    for other in (changed, OwnChain("nat", MASQUERADE.name, MASQUERADE.rules[:-1], MASQUERADE.jump)):
        script = settle_script((MASQUERADE,), table(JUMP, DOCKER, own=(other,)))
        assert script.split("\n")[1:-2] == [":NATFIX-POSTRTG - [0:0]", *map(str, MASQUERADE.rules)]


def test_rules_in_other_words_are_right_too() -> None:
    other = OwnChain("nat", MASQUERADE.name, MASQUERADE.rules, MASQUERADE.jump)
    spelled = str(MASQUERADE.rules[1]).replace(
        "-s 172.7.21.0/24 -d 172.7.21.0/24", "-d 172.7.21.0/24 -s 172.7.21.0/255.255.255.0"
    )
    text = "\n".join(str(rule) for rule in MASQUERADE.rules)
    there = f"*nat\n:POSTROUTING ACCEPT [0:0]\n:NATFIX-POSTRTG - [0:0]\n-A POSTROUTING {JUMP}\n{text}\nCOMMIT\n"
    found = parse(there.replace(str(MASQUERADE.rules[1]), spelled).encode(), "test").table("nat", Family.IPV4)
    assert found is not None
    assert settle_script((other,), found) == ""


def test_forwarding_in_the_cluster_stands_before_docker_s_chains_behind_the_administrator_s() -> None:
    found = forward("-j DOCKER-USER", "-j DOCKER-FORWARD", "-i eth1 -j DROP")
    script = settle_script((MASQUERADE, *FORWARD), found)
    assert "NATFIX-POSTRTG" not in script
    assert steps(script) == [f"-I FORWARD 2 {CLUSTER_JUMP}", f"-I FORWARD 5 {WIDE_JUMP}"]
    settled = forward("-j DOCKER-USER", CLUSTER_JUMP, "-j DOCKER-FORWARD", "-i eth1 -j DROP", WIDE_JUMP, own=FORWARD)
    assert settle_script(FORWARD, settled) == ""


def test_jumps_of_one_hook_are_moved_with_regard_to_each_other() -> None:
    found = forward("-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1", CLUSTER_JUMP, WIDE_JUMP, WIDE_JUMP, own=FORWARD)
    assert steps(settle_script(FORWARD, found)) == [
        f"-D FORWARD {CLUSTER_JUMP}",
        f"-I FORWARD 2 {CLUSTER_JUMP}",
        f"-D FORWARD {WIDE_JUMP}",
        f"-D FORWARD {WIDE_JUMP}",
        f"-I FORWARD 4 {WIDE_JUMP}",
    ]


def test_what_is_taken_away_is_natfix_s_alone() -> None:
    there = table(JUMP, DOCKER, JUMP, own=(MASQUERADE,))
    assert removal_script((MASQUERADE, *FORWARD), there) == (
        f"*nat\n-D POSTROUTING {JUMP}\n-D POSTROUTING {JUMP}\n-F NATFIX-POSTRTG\n-X NATFIX-POSTRTG\nCOMMIT\n"
    )
    assert removal_script((MASQUERADE,), table(DOCKER)) == ""


def test_a_table_without_the_hook_is_as_an_empty_one() -> None:
    (empty,) = parse(b"*nat\nCOMMIT\n", "test").tables
    assert steps(settle_script((MASQUERADE,), empty)) == [f"-I POSTROUTING 1 {JUMP}"]
    assert removal_script((MASQUERADE,), empty) == ""


def hiding(found: Table) -> list[str]:
    return [finding.kind.id for finding in audit_table(Subject(found, (NETWORK,)), CATALOGUE)]


def test_natfix_check_finds_nothing_behind_the_jump_where_flannel_s_own_order_hides_addresses() -> None:
    assert hiding(table(JUMP, DOCKER, own=(MASQUERADE,))) == []
    assert "NAT001" in hiding(table(DOCKER, JUMP, own=(MASQUERADE,)))


HAIRPIN = "-s 172.7.21.2/32 -d 172.7.21.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE"
MARKED = 0x4000


@pytest.mark.parametrize(
    ("source", "destination", "device", "mark", "fate"),
    [
        ("172.7.21.2", "172.7.22.2", "eth0", 0, Fate.ACCEPT),
        ("172.7.21.2", "172.7.22.2", "eth0", MARKED, Fate.SOURCE_NAT),
        ("172.7.22.2", "172.7.21.2", "docker0", 0, Fate.ACCEPT),
        ("172.7.21.2", "172.7.21.3", "docker0", 0, Fate.ACCEPT),
        ("172.7.21.2", "172.7.21.2", "docker0", 0, Fate.SOURCE_NAT),
        ("172.7.21.2", "203.0.113.5", "eth0", 0, Fate.SOURCE_NAT),
        ("172.7.22.2", "203.0.113.5", "eth0", 0, Fate.SOURCE_NAT),
        ("172.7.22.2", "224.0.0.1", "eth0", 0, Fate.ACCEPT),
        ("10.4.7.22", "172.7.21.2", "docker0", 0, Fate.ACCEPT),
        ("10.4.7.21", "172.7.22.2", "eth0", 0, Fate.SOURCE_NAT),
        ("10.4.7.21", "10.4.7.22", "eth0", 0, Fate.ACCEPT),
    ],
)
def test_every_kind_of_traffic_meets_its_fate(source: str, destination: str, device: str, mark: int, fate: Fate) -> None:
    packets = PacketSet(
        family=Family.IPV4,
        source=Intervals.networks([parse_network(source)]),
        destination=Intervals.networks([parse_network(destination)]),
        out_interface=Names(device),
        protocol=Intervals.single(6),
        destination_port=Intervals.single(80),
        mark=Bits(mark),
    )
    found = walk(table(JUMP, DOCKER, HAIRPIN, own=(MASQUERADE,)), "POSTROUTING", packets)
    assert [outcome.fate for outcome in found] == [fate]
