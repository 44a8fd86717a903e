"""natfix/audit/crowd.py: which rules are worth a walk."""

import pytest

from natfix.audit.crowd import crowded_rules
from tests.unit.audit.subjects import subject

OFFICE = "-s 192.168.7.0/24 -o eth0 -j MASQUERADE"


def crowded(*rules: str, **chains: list[str]) -> list[tuple[str, int]]:
    looked = subject(*rules, chains=chains)
    lines = crowded_rules(looked.rules)
    return [(rule.chain, rule.number) for rule in looked.rules if rule.line in lines]


@pytest.mark.parametrize(
    "before",
    [
        OFFICE,
        "-s 192.168.0.0/16 -j ACCEPT",
        "-s 192.168.7.0/25 -j RETURN",
        "! -p tcp -j DROP",
        "-o eth1 -j MASQUERADE",
    ],
)
def test_a_rule_behind_one_that_may_take_its_packets_is_in_doubt(before: str) -> None:
    assert crowded(before, OFFICE) == [("POSTROUTING", 2)]


@pytest.mark.parametrize(
    "before",
    [
        "-s 192.168.8.0/24 -j ACCEPT",
        "-s 192.168.7.0/24 -p tcp -j ACCEPT",
        "-m mark --mark 0x1/0x1 -j ACCEPT",
        "-m set --match-set x src -j ACCEPT",
        "-s 192.168.7.0/24 -j LOG",
        "-d 10.0.0.0/8 -j ACCEPT",
    ],
)
def test_a_rule_that_some_packet_comes_to_needs_no_walk(before: str) -> None:
    assert crowded(before, OFFICE) == []


def test_what_is_asked_twice_contradicts_itself_or_speaks_of_states_is_in_doubt() -> None:
    assert crowded("-p tcp -j A", A=["-p udp -j ACCEPT"]) == [("A", 1)]
    assert crowded("-s 192.168.7.0/24 -j A", A=["-s 192.168.8.0/24 -j ACCEPT", "-s 192.168.7.2/32 -j ACCEPT"]) == [("A", 1)]
    assert crowded("-m conntrack --ctstate ESTABLISHED -j ACCEPT") == [("POSTROUTING", 1)]


def test_return_in_a_chain_that_is_not_on_the_way_decides_nothing() -> None:
    returning, rewriting = "-s 192.168.7.0/24 -j RETURN", "-s 192.168.7.0/24 -j MASQUERADE"
    # Which of two chains comes first is not looked at, so that the one that returns is in doubt.
    assert crowded("-j A", "-j B", A=[returning], B=[rewriting]) == [("A", 1)]
    assert crowded("-j A", A=["-s 192.168.7.0/24 -j RETURN", "-s 192.168.7.0/24 -j MASQUERADE"]) == [("A", 2)]


def test_rules_behind_a_guard_are_for_marked_packets() -> None:
    guard = '-m comment --comment "x" -m mark ! --mark 0x4000/0x4000 -j RETURN'
    kube = [guard, "-j MARK --set-xmark 0x4000/0x0", "-j MASQUERADE --random-fully"]
    assert crowded("-j KUBE", "-m mark --mark 0x2000/0x2000 -j MASQUERADE", OFFICE, KUBE=kube) == []
    assert crowded("-j KUBE", OFFICE, KUBE=kube[1:]) == [("POSTROUTING", 2)]
    assert crowded("-m mark ! --mark 0x1/0x1 -p tcp -j RETURN", "-p tcp -j ACCEPT") == [("POSTROUTING", 2)]
