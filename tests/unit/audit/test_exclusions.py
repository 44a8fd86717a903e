"""natfix/audit/exclusions.py: ACCEPT and RETURN for the cluster that are of no effect."""

import pytest

from natfix.audit.exclusions import late_exclusion, returned_exclusion
from tests.unit.audit.subjects import BROAD, CORRECTED, subject

EXCLUSION = "-s 172.7.21.0/24 -d 172.7.0.0/16 -j ACCEPT"
LEAVING = "-s 172.7.21.0/24 -d 172.7.0.0/16 -j RETURN"


@pytest.mark.parametrize("spec", [EXCLUSION, LEAVING, "-d 172.7.0.0/16 ! -o docker0 -j ACCEPT"])
def test_an_exclusion_behind_the_rule_that_rewrites_comes_too_late(spec: str) -> None:
    (hit,) = late_exclusion(subject(BROAD, spec))
    assert (hit.rule.number, hit.certain) == (2, True)
    assert hit.behind is not None
    assert hit.behind.number == 1
    assert hit.message == "keeps the addresses of 172.7.21.0/24, but rule 1 of POSTROUTING rewrites them before"


@pytest.mark.parametrize(
    "rules",
    [
        [EXCLUSION, BROAD],
        [CORRECTED, EXCLUSION],
        [BROAD, "-j ACCEPT"],
        [BROAD, "-d 0.0.0.0/0 -j ACCEPT"],
        [BROAD, "-d 10.0.0.0/8 -j ACCEPT"],
        [BROAD, "-d 172.7.0.0/16 -j LOG"],
        [BROAD, "-m set --match-set x dst -d 172.7.0.0/16 -j ACCEPT"],
        ["-s 172.7.21.0/24 -o eth0 -j MASQUERADE", EXCLUSION],
        ["-s 172.7.21.0/24 -m set --match-set x dst -j MASQUERADE", EXCLUSION],
    ],
)
def test_an_exclusion_that_is_none_or_that_packets_still_come_to_is_passed_over(rules: list[str]) -> None:
    assert list(late_exclusion(subject(*rules))) == []


def test_a_cluster_without_a_rest_has_nothing_to_exclude() -> None:
    halves = ["-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE", "-s 10.9.1.0/25 ! -o br-1 -j MASQUERADE"]
    assert list(late_exclusion(subject(*halves, cluster=["172.7.21.0/24"]))) == []


def test_return_out_of_a_chain_does_not_keep_a_later_rule_from_rewriting() -> None:
    (hit,) = returned_exclusion(subject("-j SITE", BROAD, chains={"SITE": [LEAVING]}))
    assert (hit.rule.chain, hit.message) == ("SITE", "only leaves SITE; later rule 2 of POSTROUTING still rewrites")


@pytest.mark.parametrize(
    ("rules", "chain"),
    [
        (["-j SITE", BROAD], [EXCLUSION]),
        (["-j SITE", BROAD], ["-m mark ! --mark 0x4000/0x4000 -j RETURN"]),
        (["-j SITE", CORRECTED], [LEAVING]),
        ([BROAD, "-j SITE"], [LEAVING]),
        (["-j SITE", "-m set --match-set x dst -j ACCEPT", BROAD], [LEAVING]),
    ],
)
def test_return_that_speaks_of_no_address_or_does_no_harm_is_passed_over(rules: list[str], chain: list[str]) -> None:
    assert list(returned_exclusion(subject(*rules, chains={"SITE": chain}))) == []


def test_a_rule_behind_another_does_not_tell_of_the_exclusion_once_more() -> None:
    assert len(list(returned_exclusion(subject("-j SITE", BROAD, "-o eth0 -j MASQUERADE", chains={"SITE": [LEAVING]})))) == 1
