"""Iptables' hooks and natfix's own chains in them: the twin, and both variants of the real thing."""

from collections.abc import Iterator

import pytest

from natfix.app.node.rule_keeping import HookTables
from natfix.app.ports import Backend
from natfix.errors import ConflictError, HostError
from natfix.host.hook_tables import HostHookTables, usual_tables
from natfix.host.iptables import open_store
from natfix.host.memory.hook_tables import MemoryHookTables
from natfix.ruleset import Family
from tests.netns import enter, namespace

REAL = [Backend(family, variant) for variant in ("nft", "legacy") for family in Family]


@pytest.fixture(params=["twin", *(pytest.param(each, marks=pytest.mark.kernel, id=str(each)) for each in REAL)])
def tables(request: pytest.FixtureRequest) -> Iterator[HookTables]:
    if request.param == "twin":
        yield MemoryHookTables()
        return
    with namespace() as name, enter(name):
        yield HostHookTables(open_store(request.param))


def specs(tables: HookTables, table: str, chain: str) -> list[str] | None:
    found = tables.read(table, (chain,)).chain(chain)
    return None if found is None else [rule.spec for rule in found.rules]


def test_a_chain_that_is_not_there_is_left_out_and_a_hook_is_there(tables: HookTables) -> None:
    found = tables.read("filter", ("FORWARD", "NATFIX-FWD"))
    assert (found.name, found.family) == ("filter", tables.backend.family)
    assert found.chain("FORWARD") is not None
    assert found.chain("NATFIX-FWD") is None


@pytest.mark.parametrize(("table", "hook"), [("nat", "POSTROUTING"), ("filter", "FORWARD")])
def test_a_script_makes_fills_and_removes_chains(tables: HookTables, table: str, hook: str) -> None:
    tables.commit(f"*{table}\n:NATFIX-X - [0:0]\n-A NATFIX-X -j RETURN\n-I {hook} 1 -j NATFIX-X\nCOMMIT\n")
    assert specs(tables, table, "NATFIX-X") == ["-j RETURN"]
    assert specs(tables, table, hook) == ["-j NATFIX-X"]
    tables.commit(f"*{table}\n-D {hook} -j NATFIX-X\n-F NATFIX-X\n-X NATFIX-X\nCOMMIT\n")
    assert specs(tables, table, "NATFIX-X") is None
    assert specs(tables, table, hook) == []


def test_a_rule_that_is_gone_refuses_the_whole(tables: HookTables) -> None:
    with pytest.raises(ConflictError):
        tables.commit("*nat\n:NATFIX-X - [0:0]\n-D POSTROUTING -o eth9 -j MASQUERADE\nCOMMIT\n")
    assert specs(tables, "nat", "NATFIX-X") is None


def test_what_no_kernel_takes_is_refused(tables: HookTables) -> None:
    with pytest.raises(HostError):
        tables.commit("*nat\n-A POSTROUTING -j NATFIX-NOWHERE\nCOMMIT\n")


def test_the_number_is_another_one_after_a_change(tables: HookTables) -> None:
    before = tables.stamp()
    assert tables.stamp() == before
    tables.commit("*nat\n-A POSTROUTING -j RETURN\nCOMMIT\n")
    assert before is None or tables.stamp() != before


def test_a_current_iptables_chooses_ports_at_random(tables: HookTables) -> None:
    assert tables.fully_random


@pytest.mark.kernel
@pytest.mark.parametrize("family", list(Family))
def test_the_usual_tables_are_those_of_the_hosts_own_iptables(family: Family, netns: str) -> None:
    assert usual_tables(family).backend.family is family
