"""natfix/plan/edit.py: what is put in place of a broad rule."""

import json

import pytest

from natfix.plan.edit import Edit, Plan, exclude, own_chain_name
from natfix.ruleset import Counters, Rule, Table
from tests.unit.audit.subjects import BROAD, CORRECTED, networks, subject

ONE = networks(["172.7.0.0/16"])
TWO = networks(["172.7.0.0/16", "172.9.0.0/16"])


def table(*rules: str, **chains: list[str]) -> Table:
    return subject(*rules, chains={name.replace("_", "-"): specs for name, specs in chains.items()}).table


def excluded(spec: str) -> str:
    (edit,) = exclude(Rule("POSTROUTING", spec), ONE, table()).edits
    return edit.new.spec


@pytest.mark.parametrize(
    ("spec", "corrected"),
    [
        (BROAD, CORRECTED),
        ("-o eth0 -j MASQUERADE", "! -d 172.7.0.0/16 -o eth0 -j MASQUERADE"),
        ("! -s 10.0.0.0/8 -j MASQUERADE", "! -s 10.0.0.0/8 ! -d 172.7.0.0/16 -j MASQUERADE"),
        ("-o eth0 -s 172.7.21.0/24 -j MASQUERADE", "! -d 172.7.0.0/16 -o eth0 -s 172.7.21.0/24 -j MASQUERADE"),
        ("-j MASQUERADE", "! -d 172.7.0.0/16 -j MASQUERADE"),
        ("-s 172.7.21.0/24 ! -d 172.7.21.0/24 -j MASQUERADE", "-s 172.7.21.0/24 ! -d 172.7.0.0/16 -j MASQUERADE"),
    ],
)
def test_one_cidr_is_excluded_in_the_rule_itself(spec: str, corrected: str) -> None:
    assert excluded(spec) == corrected
    assert exclude(Rule("POSTROUTING", spec), ONE, table()).chains == {}


def test_counters_go_along() -> None:
    (edit,) = exclude(Rule("POSTROUTING", BROAD, Counters(1, 60)), ONE, table()).edits
    assert edit.new.counters == Counters(1, 60)


@pytest.mark.parametrize("destination", ["-d 172.0.0.0/8", "! -d 224.0.0.0/4", "! -d fd00::/8", "! -d 172.7.0.0/255.0.255.0"])
def test_a_rule_with_another_destination_leads_through_a_chain_of_our_own(destination: str) -> None:
    rule = Rule("POSTROUTING", f"-s 172.7.21.0/24 {destination} -j MASQUERADE --random")
    plan = exclude(rule, ONE, table())
    specs = ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE --random")
    name = own_chain_name(specs)
    assert plan.edits == (Edit(rule, Rule("POSTROUTING", f"-s 172.7.21.0/24 {destination} -j {name}")),)
    assert plan.chains == {name: specs}


def test_several_cidrs_are_a_return_each() -> None:
    rule = Rule("POSTROUTING", BROAD)
    (specs,) = exclude(rule, TWO, table()).chains.values()
    assert specs == ("-d 172.7.0.0/16 -j RETURN", "-d 172.9.0.0/16 -j RETURN", "-j MASQUERADE")


def test_a_target_with_ports_keeps_the_protocol_that_it_needs() -> None:
    rule = Rule("POSTROUTING", "-s 172.7.21.0/24 -p udp -m udp --dport 53 -j MASQUERADE --to-ports 1024-2048")
    (specs,) = exclude(rule, TWO, table()).chains.values()
    assert specs[-1] == "-p udp -j MASQUERADE --to-ports 1024-2048"


def test_a_protocol_that_stands_behind_the_target_goes_along_with_it() -> None:
    (specs,) = exclude(Rule("POSTROUTING", "-s 172.7.21.0/24 -j MASQUERADE -p tcp"), TWO, table()).chains.values()
    assert specs[-1] == "-j MASQUERADE -p tcp"


def test_an_own_chain_is_completed_and_keeps_what_it_has() -> None:
    held = table(NATFIX_1=["-d 172.9.0.0/16 -j RETURN", "-d 10.0.0.0/8 -j RETURN", "-j MASQUERADE"])
    plan = exclude(Rule("NATFIX-1", "-j MASQUERADE"), TWO, held)
    returns = ("-d 172.9.0.0/16 -j RETURN", "-d 10.0.0.0/8 -j RETURN", "-d 172.7.0.0/16 -j RETURN")
    assert plan == Plan((), {"NATFIX-1": (*returns, "-j MASQUERADE")})


def test_an_own_chain_that_is_not_there_gets_all_returns() -> None:
    plan = exclude(Rule("NATFIX-1", "-j MASQUERADE"), ONE, table())
    assert plan.chains == {"NATFIX-1": ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE")}


def test_an_own_chain_is_called_by_what_it_holds() -> None:
    specs = ("-d 172.7.0.0/16 -j RETURN", "-j MASQUERADE")
    name = own_chain_name(specs)
    assert name == "NATFIX-544CF0FBA66465FF"
    assert len(name) <= 28, "iptables takes no longer name"
    assert own_chain_name(("-d 172.9.0.0/16 -j RETURN", "-j MASQUERADE")) != name
    assert own_chain_name(('-m comment --comment "\udcff" -j MASQUERADE',)).startswith("NATFIX-")


def test_rules_that_need_the_same_chain_share_it_wherever_they_stand() -> None:
    pods = [Rule(f"CNI-{number}", f'! -d 224.0.0.0/4 -m comment --comment "id: {number}" -j MASQUERADE') for number in range(3)]
    plans = [exclude(pod, ONE, table()) for pod in pods]
    assert len({name for plan in plans for name in plan.chains}) == 1
    assert len({plan.edits[0].new.spec.partition(" -j ")[2] for plan in plans}) == 1


def test_a_plan_is_true_when_there_is_anything_to_change() -> None:
    rule = Rule("POSTROUTING", BROAD)
    assert not Plan()
    assert Plan((Edit(rule, rule),))
    assert Plan(chains={"NATFIX-1": ()})
    assert Plan(inserts=(rule,))


def test_an_edit_is_in_the_chain_of_its_rules() -> None:
    assert Edit(Rule("A", BROAD), Rule("A", CORRECTED)).chain == "A"


def test_a_plan_goes_through_json_unchanged() -> None:
    old = Rule("POSTROUTING", BROAD, number=3)
    plan = Plan((Edit(old, Rule("POSTROUTING", CORRECTED), kept=True, copies=(5, 7)),), {"N": ("a", "b")}, {"N": ("a",)})
    back = Plan.from_json(json.loads(json.dumps(plan.to_json())))
    assert back == plan
    assert back.edits[0].old.number == 3


def test_a_plan_written_before_copies_were_counted_can_be_read() -> None:
    data = Plan((Edit(Rule("A", BROAD), Rule("A", CORRECTED)),)).to_json()
    del data["edits"][0]["copies"]
    assert Plan.from_json(data).edits[0].copies == ()


def test_what_is_no_plan_is_refused() -> None:
    with pytest.raises(KeyError):
        Plan.from_json({"edits": []})
