"""Guard and corrections put back in one go, on a host made of twins."""

from dataclasses import replace

import pytest

from natfix.app.guard import turn_on
from natfix.app.guard_ports import GuardStore
from natfix.app.machine import Machine
from natfix.app.restore import restore
from natfix.audit.guard import HeldGuards
from natfix.errors import HostError, UsageError
from natfix.host.memory.guard import MemoryGuardStore
from natfix.plan.guard import GuardChange
from tests.unit.app.twins import BROAD, CLUSTER4, CORRECTED, Host, host, wishes


class Refusing(MemoryGuardStore):
    """Tables that nobody may change."""

    def put(self, change: GuardChange) -> None:
        raise HostError("no right to change nft tables")


def with_guard(made: Host, tables: GuardStore) -> Machine:
    return replace(made.machine, guard=tables)


def test_the_guard_that_was_turned_on_is_put_back_before_the_rules_are_corrected() -> None:
    made, tables = host(BROAD), MemoryGuardStore()
    machine = with_guard(made, tables)
    turn_on(machine, [CLUSTER4])
    kept, tables.held = tables.held, HeldGuards()
    result = restore(machine, [CLUSTER4], wishes(CLUSTER4))
    assert tables.held == kept
    assert made.table.specs == [CORRECTED]
    assert [change.place for change in result.changes] == ["nft table ip natfix", "iptables-nft", "/etc/iptables/rules.v4"]
    assert (result.verb, result.done) == ("apply", True)


def test_a_guard_that_was_put_back_is_told_also_where_no_rule_is_wrong() -> None:
    made, tables = host(CORRECTED), MemoryGuardStore()
    machine = with_guard(made, tables)
    turn_on(machine, [CLUSTER4])
    tables.held = HeldGuards()
    result = restore(machine, [CLUSTER4], wishes(CLUSTER4, persist=False))
    assert (result.done, [change.place for change in result.changes]) == (True, ["nft table ip natfix"])


def test_without_a_guard_it_is_an_apply_and_done_twice_nothing() -> None:
    made = host(BROAD)
    assert restore(made.machine, [CLUSTER4], wishes(CLUSTER4)).done
    assert not restore(made.machine, [CLUSTER4], wishes(CLUSTER4)).done
    assert made.table.specs == [CORRECTED]


def test_a_guard_that_is_refused_keeps_no_rule_from_being_corrected() -> None:
    made = host(BROAD)
    turn_on(made.machine, [CLUSTER4])
    with pytest.raises(HostError, match="no right to change"):
        restore(with_guard(made, Refusing()), [CLUSTER4], wishes(CLUSTER4))
    assert made.table.specs == [CORRECTED]


def test_rules_that_cannot_be_corrected_keep_no_guard_from_its_place() -> None:
    made, tables = host(BROAD), MemoryGuardStore()
    machine = with_guard(made, tables)
    turn_on(machine, [CLUSTER4])
    kept, tables.held = tables.held, HeldGuards()
    with pytest.raises(UsageError, match="only guessed"):
        restore(machine, [CLUSTER4], wishes(replace(CLUSTER4, guessed=True)))
    assert tables.held == kept
