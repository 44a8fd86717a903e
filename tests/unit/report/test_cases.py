"""natfix/report/cases.py: findings that are one fault on many hosts."""

from dataclasses import replace

import pytest

from natfix.report.cases import cases_of
from natfix.report.gathered import Place
from natfix.ruleset import Rule
from tests.unit.report.results import fleet, looked_at, simple


def places(*rules: str) -> list[Place]:
    """A finding of one kind for each of these rules."""
    (place,) = looked_at(simple()).places
    return [Place(place.table, replace(place.finding, rule=Rule("POSTROUTING", rule, number=1))) for rule in rules]


@pytest.mark.parametrize(
    ("one", "other", "shape"),
    [
        ("-s 172.7.1.0/24 -j MASQUERADE", "-s 172.7.2.0/25 -j MASQUERADE", "-s <network> -j MASQUERADE"),
        ("-s 172.7.1.0/255.255.255.0 -j X", "-s 172.8.1.0/24 -j X", "-s <network> -j X"),
        ("-s fd00:1::/64 ! -o docker0 -j X", "-s fd00:2::/64 ! -o docker0 -j X", "-s <network> ! -o docker0 -j X"),
        ("-d 172.7.1.2/32 -j X", "-d 172.7.1.3 -j X", "-d <address> -j X"),
        ("-d fd00::1/128 -j X", "-d fd00::2/128 -j X", "-d <address> -j X"),
        ("-j SNAT --to-source 10.0.0.1:1-9", "-j SNAT --to-source 10.0.0.2:1-9", "-j SNAT --to-source <address>:1-9"),
        ("-p tcp -m tcp --dport 80 -j X", "-p tcp -m tcp --dport 8080:8090 -j X", "-p tcp -m tcp --dport <port> -j X"),
        ("-m multiport --dports 80,443 -j X", "-m multiport --dports 81 -j X", "-m multiport --dports <port> -j X"),
        ("! -o br-0123456789ab -j X", "! -o br-ba9876543210 -j X", "! -o br-<id> -j X"),
        ("-o veth0a1b2c3 -j X", "-o vethabcdefa -j X", "-o veth<id> -j X"),
        ("-o cali0123456789a -j X", "-o caliabcdefabcde -j X", "-o cali<id> -j X"),
        ("-j KUBE-SVC-ABCDEFGHIJKLMNO2", "-j KUBE-SVC-PQRSTUVWXYZ23456", "-j KUBE-SVC-<id>"),
        ("-j CNI-0123456789abcdef01234567", "-j CNI-123456789abcdef012345678", "-j CNI-<id>"),
    ],
)
def test_rules_that_differ_in_what_is_a_hosts_own_are_one_case(one: str, other: str, shape: str) -> None:
    (case,) = cases_of(places(one, other))
    assert case.shape == case.mask == f"-A POSTROUTING {shape}"
    assert (len(case.places), case.sources, str(case.severity)) == (2, 1, "high")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("-s 172.7.1.0/24 ! -o docker0 -j X", "-s 172.7.1.0/24 ! -o docker1 -j X"),
        ("-s 172.7.1.0/24 -j X", "-s 172.7.1.2/32 -j X"),
        ("-m mark --mark 0x4000/0x4000 -j X", "-m mark --mark 0x8000/0x8000 -j X"),
        ('-m comment --comment "default/a:http" -j X', '-m comment --comment "default/b:http" -j X'),
        ("-m statistic --mode random --probability 0.33333333349 -j X", "-m statistic --mode random --probability 0.5 -j X"),
        ('-m comment --comment "<address>" -j X', '-m comment --comment "10.0.0.1" -j X'),
    ],
)
def test_other_differences_are_other_cases(one: str, other: str) -> None:
    assert len(cases_of(places(one, other))) == 2


def test_what_all_hosts_share_is_shown_as_it_is() -> None:
    rules = [f"-s 172.7.{net}.0/24 ! -d 172.7.0.0/16 -j MASQUERADE" for net in (1, 2)]
    (case,) = cases_of(places(*rules))
    assert case.shape == "-A POSTROUTING -s <network> ! -d 172.7.0.0/16 -j MASQUERADE"
    assert case.mask == "-A POSTROUTING -s <network> ! -d <network> -j MASQUERADE"
    assert case.own == (("172.7.1.0/24",), ("172.7.2.0/24",))
    (alone,) = cases_of(places(rules[0]))
    assert (alone.shape, alone.mask, alone.own) == (f"-A POSTROUTING {rules[0]}", case.mask, ((),))


def test_what_is_sure_and_what_is_possible_are_two_cases() -> None:
    (place,) = looked_at(simple()).places
    doubtful = Place(place.table, replace(place.finding, certain=False, unknown=("-m geoip",)))
    assert [case.places[0].finding.certain for case in cases_of([place, doubtful])] == [True, False]


def test_of_equally_bad_cases_that_of_most_sources_comes_first() -> None:
    groups = fleet(24).groups
    assert [(group.kind.id, [(case.sources, case.shape) for case in group.cases]) for group in groups] == [
        ("DOC004", [(4, "-A POSTROUTING -s <network> ! -o br-<id> -j MASQUERADE")]),
        ("NAT001", [(12, "-A POSTROUTING -s <network> ! -o docker0 -j MASQUERADE")]),
    ]
    two, one, another = places("-o a -j X", "-o b -j X", "-o b -j X")
    elsewhere = Place(replace(another.table, source="other.save"), another.finding)
    assert [case.sources for case in cases_of([two, one, elsewhere])] == [2, 1]
