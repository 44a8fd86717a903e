"""natfix/plan/guard.py: changes of the guard, both ways."""

import json

import pytest

from natfix.audit.guard import HeldGuards
from natfix.plan.guard import GuardChange
from natfix.ruleset import Family
from tests.unit.audit.guards import guard

ONE, MORE, OTHER = guard(), guard({"docker0": ["172.7.21.0/24", "172.7.22.0/24"]}), guard(family=Family.IPV6)


def test_nothing_is_changed_where_nothing_differs() -> None:
    same = GuardChange((ONE, OTHER), (ONE, OTHER))
    assert not same
    assert same.script == ""


def test_only_families_that_differ_are_touched() -> None:
    change = GuardChange((ONE,), (ONE, OTHER))
    assert change.families == (Family.IPV6,)
    assert "table ip natfix" not in change.script


def test_a_new_table_begins_from_nothing_whatever_was_there() -> None:
    script = GuardChange((), (ONE,)).script
    assert script.startswith("add table ip natfix\ndelete table ip natfix\ntable ip natfix {\n")


def test_a_table_is_removed_though_it_may_be_gone_already() -> None:
    assert GuardChange((ONE,), ()).script == "add table ip natfix\ndelete table ip natfix\n"


def test_from_one_guard_to_another_the_table_stays() -> None:
    assert "table" not in GuardChange((ONE,), (MORE,)).script


def test_a_table_that_somebody_altered_is_made_anew() -> None:
    change = GuardChange((), (ONE,), (Family.IPV4,))
    assert "delete table ip natfix" in change.script
    assert GuardChange((), (), (Family.IPV6,)).script == "add table ip6 natfix\ndelete table ip6 natfix\n"


def test_the_diff_shows_what_comes_and_goes() -> None:
    lines = GuardChange((ONE,), (MORE,)).diff_of(Family.IPV4)
    assert lines[:2] == ("--- nft table ip natfix", "+++ nft table ip natfix")
    assert "+        elements = { 172.7.21.0/24, 172.7.22.0/24 }" in lines
    assert GuardChange((), (ONE,)).diff_of(Family.IPV4)[0] == "--- /dev/null"


@pytest.mark.parametrize("now", [HeldGuards((MORE,)), HeldGuards(), HeldGuards((ONE, OTHER)), HeldGuards((), (Family.IPV4,))])
def test_the_way_back_leads_to_what_was_and_leaves_other_families_alone(now: HeldGuards) -> None:
    back = GuardChange((ONE,), (MORE,)).back(now)
    assert set(back.after) == {ONE, *(each for each in now.guards if each is OTHER)}
    assert (back.before, back.altered) == (now.guards, now.altered)


def test_the_way_back_of_another_family_leaves_an_altered_table_alone() -> None:
    back = GuardChange((), (OTHER,)).back(HeldGuards((OTHER,), (Family.IPV4,)))
    assert back.families == (Family.IPV6,)


def test_the_history_gives_a_change_back_as_it_was() -> None:
    change = GuardChange((ONE,), (MORE, OTHER), (Family.IPV6,))
    assert GuardChange.from_json(json.loads(json.dumps(change.to_json()))) == change
