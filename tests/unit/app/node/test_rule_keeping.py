"""The agent's own chains are kept, and others' rules are left alone."""

import pytest

from natfix.app.node.rule_keeping import RuleKeeper, RuleWish, wanted_chains
from natfix.host.memory.hook_tables import MemoryHookTables
from natfix.routing.network import NetworkConfig
from natfix.ruleset import Family
from tests.unit.app.node.stage import HOST_GW, OWN

CONFIG = NetworkConfig.parse(HOST_GW)
MASQ = RuleWish(masquerade=True)
DOCKER = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


def keeper(tables: MemoryHookTables, wish: RuleWish = MASQ) -> tuple[RuleKeeper, list[str]]:
    told: list[str] = []
    chains = wanted_chains(CONFIG, OWN, wish, fully_random=True)[Family.IPV4]
    return RuleKeeper(tables, chains, told.append), told


def hook(tables: MemoryHookTables, table: str = "nat", chain: str = "POSTROUTING") -> list[str]:
    found = tables.read(table, (chain,)).chain(chain)
    return [rule.target for rule in found.rules] if found else []


def test_what_is_missing_is_put_there_once() -> None:
    tables = MemoryHookTables()
    tables.commit(f"*nat\n-A POSTROUTING {DOCKER}\nCOMMIT\n")
    kept, told = keeper(tables)
    kept.settle()
    kept.settle()
    assert len(told) == 2
    assert hook(tables) == ["NATFIX-POSTRTG", "MASQUERADE"]
    assert hook(tables, "filter", "FORWARD") == ["NATFIX-CLUSTER", "NATFIX-FWD"]


def test_nothing_is_read_while_nobody_changes_anything() -> None:
    tables = MemoryHookTables()
    kept, _ = keeper(tables)
    kept.settle()
    kept.settle()
    reads = tables.reads
    kept.settle()
    assert tables.reads == reads
    tables.stamped = False
    kept.settle()
    assert tables.reads == reads + 2


def test_a_rule_that_was_taken_away_comes_back_and_one_put_before_it_is_overtaken() -> None:
    tables = MemoryHookTables()
    kept, _ = keeper(tables)
    kept.settle()
    tables.commit("*nat\n-F NATFIX-POSTRTG\nCOMMIT\n")
    tables.commit(f"*nat\n-I POSTROUTING 1 {DOCKER}\nCOMMIT\n")
    kept.settle()
    assert hook(tables) == ["NATFIX-POSTRTG", "MASQUERADE"]
    assert len(hook(tables, "nat", "NATFIX-POSTRTG")) == 7


@pytest.mark.parametrize(
    ("wish", "names"),
    [
        (RuleWish(), ["NATFIX-CLUSTER", "NATFIX-FWD"]),
        (RuleWish(masquerade=True, forward=False), ["NATFIX-POSTRTG"]),
        (RuleWish(forward=False), []),
    ],
)
def test_only_what_is_wanted_is_put_there(wish: RuleWish, names: list[str]) -> None:
    chains = wanted_chains(CONFIG, OWN, wish, fully_random=True)[Family.IPV4]
    assert [chain.name for chain in chains] == names


def test_ports_are_chosen_at_random_where_that_is_wanted_and_possible() -> None:
    for wished, possible in ((True, True), (True, False), (False, True)):
        wish = RuleWish(masquerade=True, fully_random=wished)
        (chain, *_) = wanted_chains(CONFIG, OWN, wish, fully_random=possible)[Family.IPV4]
        assert any("--random-fully" in rule.spec for rule in chain.rules) is (wished and possible)
