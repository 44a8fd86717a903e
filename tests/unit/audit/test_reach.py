"""natfix/audit/reach.py: rules that no packet comes to, and why."""

import pytest

from natfix.audit.reach import contradicted_rule, dead_rules, duplicate_rule, never_matches, redundant_rule
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

OFFICE = "-s 192.168.7.0/24 -o eth0 -j MASQUERADE"


def dead(*rules: str, **chains: list[str]) -> list[tuple[str, int]]:
    return [(each.rule.chain, each.rule.number) for each in dead_rules(subject(*rules, chains=chains))]


@pytest.mark.parametrize(
    "rules",
    [
        [OFFICE, OFFICE],
        ["-s 192.168.0.0/16 -j MASQUERADE", OFFICE],
        ["-s 192.168.7.0/25 -j MASQUERADE", OFFICE.replace("/24", "/26")],
        ["-p tcp -j ACCEPT", OFFICE.replace("-j", "-p tcp -m tcp --dport 80 -j")],
        ["-s 192.168.7.0/24 -j RETURN", OFFICE],
        ["-o eth+ -j ACCEPT", OFFICE],
    ],
)
def test_a_rule_that_one_before_it_covers_gets_no_packet(rules: list[str]) -> None:
    assert dead(*rules) == [("POSTROUTING", 2)]


@pytest.mark.parametrize(
    "rules",
    [
        ["-s 192.168.7.0/25 -j MASQUERADE", OFFICE],
        ["-s 192.168.7.0/24 -p tcp -j MASQUERADE", OFFICE],
        ["-s 192.168.7.0/24 -o eth1 -j MASQUERADE", OFFICE],
        ["-s 192.168.7.0/24 -m set --match-set x dst -j ACCEPT", OFFICE],
        ["-s 192.168.7.0/24 -j LOG", OFFICE],
        ["-s 192.168.7.0/24 -m mark --mark 1 -j ACCEPT", OFFICE],
        ["-j MARK --set-xmark 0x0/0x1", "-m mark --mark 0x1/0x1 -j ACCEPT"],
        ["-m mark --mark 0x1/0x1 -j ACCEPT", "-m mark ! --mark 0x1/0x1 -j MASQUERADE"],
    ],
)
def test_a_rule_that_gets_or_may_get_a_packet_or_lacks_its_mark_alone_is_not_called_dead(rules: list[str]) -> None:
    assert dead(*rules) == []


def test_chains_are_entered_by_every_jump_that_leads_to_them() -> None:
    inner = ["-p tcp -j ACCEPT", "-p tcp -j MASQUERADE", "-j RETURN"]
    assert dead("-s 192.168.7.0/24 -j A", "-s 192.168.8.0/24 -j A", A=inner) == [("A", 2)]
    assert dead("-s 192.168.7.0/24 -j ACCEPT", "-s 192.168.7.0/24 -j A", A=["-j MASQUERADE"]) == [("A", 1)]
    assert dead("-s 192.168.7.0/24 -p tcp -j A", A=["-p udp -j MASQUERADE"]) == [("A", 1)]
    assert dead("-s 192.168.7.0/24 -j ACCEPT", "-j A", A=["-j MASQUERADE"]) == []


def test_a_chain_with_many_callers_is_left_alone() -> None:
    jumps = [f"-s 192.168.{number}.0/24 -j A" for number in range(5)]
    assert dead(*jumps, A=["-j ACCEPT", "-j MASQUERADE"]) == []
    assert dead(*jumps[:4], A=["-j ACCEPT", "-j MASQUERADE"]) == [("A", 2)]


def test_a_table_that_programs_filled_is_left_alone() -> None:
    rules = [f"-s 192.168.{number}.0/24 -j MASQUERADE" for number in range(99)]
    assert dead(*rules, rules[0]) == [("POSTROUTING", 100)]
    assert dead(*rules, "-p tcp -j LOG", rules[0]) == []


def test_walks_that_part_packets_without_end_are_given_up() -> None:
    doubtful = [
        f"-m set --match-set s{number} src -j MARK --set-xmark {1 << number:#x}/{1 << number:#x}" for number in range(16)
    ]
    assert dead("-p tcp -j ACCEPT", "-p tcp -j MASQUERADE") == [("POSTROUTING", 2)]
    assert dead(*doubtful, "-p tcp -j ACCEPT", "-p tcp -j MASQUERADE") == []


def test_what_hides_the_cluster_and_what_stands_behind_it_is_told_of_elsewhere() -> None:
    assert dead(BROAD, BROAD) == []
    assert dead(BROAD, CORRECTED) == []
    assert dead(BROAD, OFFICE, OFFICE) == [("POSTROUTING", 3)]


def test_a_copy_is_told_of_as_a_copy_alone() -> None:
    looked = subject(OFFICE, "-o eth0 -s 192.168.7.0/24 -j MASQUERADE")
    (hit,) = duplicate_rule(looked)
    assert hit.message == "says what rule 1 of POSTROUTING says; no packet comes to it"
    assert list(redundant_rule(looked)) == []


def test_rules_in_a_row_that_the_same_others_cover_are_told_of_once() -> None:
    looked = subject(
        "-s 192.168.0.0/16 -j MASQUERADE", OFFICE, "-s 192.168.8.0/24 -j MASQUERADE", "-s 192.168.9.0/24 -j SNAT --to 1.2.3.4"
    )
    (hit,) = redundant_rule(looked)
    assert hit.rule.number == 2
    assert hit.message == (
        "no packet comes to it: rule 1 of POSTROUTING decides its packets before it, and the same; so of 2 more"
    )
    assert list(contradicted_rule(looked)) == []


def test_a_rule_that_others_contradict_names_two_of_them() -> None:
    looked = subject("-p tcp -j ACCEPT", "-p udp -j ACCEPT", "! -p tcp -j ACCEPT", OFFICE)
    hits = list(contradicted_rule(looked))
    assert [hit.message for hit in hits] == [
        "no packet comes to it: rule 1 of POSTROUTING and rule 2 of POSTROUTING decide its packets before it, and otherwise"
    ]
    assert list(redundant_rule(looked)) == []


def test_a_rule_that_matches_nothing_is_told_of() -> None:
    (hit,) = never_matches(subject("-m conntrack --ctstate ESTABLISHED -j ACCEPT", OFFICE))
    assert hit.rule.number == 1
    assert list(contradicted_rule(subject("-m conntrack --ctstate ESTABLISHED -j ACCEPT", OFFICE))) == []


def test_dropping_is_no_kind_of_sparing() -> None:
    looked = subject("-s 192.168.7.0/24 -j DROP", "-s 192.168.7.0/25 -j DROP", "-s 192.168.7.0/26 -j ACCEPT")
    assert [hit.rule.number for hit in redundant_rule(looked)] == [2]
    assert [hit.rule.number for hit in contradicted_rule(looked)] == [3]
