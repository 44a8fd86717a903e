"""What holds for every table: a rule that natfix calls dead can go, and no packet is treated otherwise."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from natfix.audit import Subject
from natfix.audit.reach import dead_rules
from natfix.ruleset import Rule
from tests.property.interpreter import fate
from tests.property.rulesets import Nat, datagrams, nat_tables


def without(nat: Nat, rule: Rule) -> Nat:
    """The table with that rule taken out of its chain."""
    chains = {name: list(rules) for name, rules in nat.chains.items()}
    del chains[rule.chain][rule.number - 1]
    return replace(nat, chains=chains)


@st.composite
def crowded(draw: st.DrawFn) -> Nat:
    """A table in which some rules stand twice, or stand behind one that takes more."""
    nat = draw(nat_tables(unknown=True))
    full = [name for name, rules in nat.chains.items() if rules]
    number = max((number for rules in nat.chains.values() for number, _ in rules), default=0)
    for name in draw(st.lists(st.sampled_from(full), max_size=4)) if full else ():
        number += 1
        _, spec = draw(st.sampled_from(nat.chains[name]))
        wider = draw(st.sampled_from([spec, "-o eth+ -j ACCEPT", "-p tcp -j MASQUERADE", "-j RETURN"]))
        nat.chains[name].insert(draw(st.integers(0, len(nat.chains[name]))), (number, wider))
    return nat


@given(crowded(), st.data())
def test_without_a_dead_rule_every_packet_meets_the_same_fate(nat: Nat, data: st.DataObject) -> None:
    dead = [each.rule for each in dead_rules(Subject(nat.table, ()))]
    worlds = st.frozensets(st.sampled_from(nat.unknown)) if nat.unknown else st.just(frozenset[int]())
    for packet in data.draw(st.lists(datagrams(nat.family), min_size=3, max_size=10)) if dead else ():
        answers = dict.fromkeys(data.draw(worlds), True)
        for rule in dead:
            gone = without(nat, rule)
            assert fate(nat.chains, nat.policy, replace(packet), answers) == fate(
                gone.chains, gone.policy, replace(packet), answers
            ), str(rule)
