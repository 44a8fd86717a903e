"""natfix/ruleset/meaning.py: rules that say the same in other words."""

import pytest

from natfix.ruleset.meaning import same_meaning
from natfix.ruleset.rule import Rule

BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


def same(one: str, other: str) -> bool:
    return same_meaning(Rule("POSTROUTING", one), Rule("POSTROUTING", other))


@pytest.mark.parametrize(
    "other",
    [
        BROAD,
        "! -o docker0 -s 172.7.21.0/24 -j MASQUERADE",
        "-s 172.7.21.9/24 ! -o docker0 -j MASQUERADE",
        "--source 172.7.21.0/255.255.255.0 ! --out-interface docker0 --jump MASQUERADE",
        "-s 172.7.21.0/24 -o ! docker0 -j MASQUERADE",
    ],
)
def test_order_and_spelling_do_not_count(other: str) -> None:
    assert same(BROAD, other)


def test_a_match_that_its_options_imply_does_not_count() -> None:
    assert same("-p tcp -m tcp --dport 80 -j X", "-p tcp -m tcp -m tcp --dport 80 -j X")


@pytest.mark.parametrize(
    "other",
    [
        "-s 172.7.21.0/24 -o docker0 -j MASQUERADE",
        "-s 172.7.21.0/25 ! -o docker0 -j MASQUERADE",
        "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE",
        "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE --random-fully",
        "-s 172.7.21.0/24 ! -o docker0 -j ACCEPT",
        "-d 172.7.21.0/24 ! -o docker0 -j MASQUERADE",
    ],
)
def test_another_value_counts(other: str) -> None:
    assert not same(BROAD, other)


def test_another_chain_counts() -> None:
    assert not same_meaning(Rule("POSTROUTING", BROAD), Rule("OTHER", BROAD))
