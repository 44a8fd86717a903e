"""natfix/nft/trial.py: what of a listing is loaded again where the kernel is asked."""

import json
from typing import Any

from natfix.nft.trial import for_trial, loadable, named_devices, replacing

POSTROUTING = {"name": "post", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
SNAT = [{"masquerade": None}]
MARK = {"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}


def listing(*objects: dict[str, Any], family: str = "ip") -> dict[str, Any]:
    """A table with these objects; of a rule its chain and expressions are enough."""
    place = {"family": family, "table": "t"}
    made = [{kind: {**place, **value}} for each in objects for kind, value in each.items()]
    return {"nftables": [{"metainfo": {}}, {"table": {"family": family, "name": "t"}}, *made]}


def chain(name: str, **hook: object) -> dict[str, Any]:
    return {"chain": {"name": name, **hook}}


def rule(chain: str, *expressions: dict[str, Any]) -> dict[str, Any]:
    return {"rule": {"chain": chain, "expr": list(expressions)}}


def kept(*objects: dict[str, Any], family: str = "ip") -> list[str]:
    """What is left, each by its kind and name."""
    found = for_trial(listing(*objects, family=family))
    return [f"{kind} {value.get('name', value.get('chain'))}" for each in found for kind, value in each.items()]


def test_chains_that_translate_are_kept_with_all_that_they_call_and_ask() -> None:
    objects = (
        rule("post", {"vmap": {"key": {"meta": {"key": "oifname"}}, "data": "@gates"}}),
        rule("post", {"match": {"op": "==", "left": {"payload": {}}, "right": "@nets"}}, {"jump": {"target": "own"}}),
        rule("own", {"goto": {"target": "post"}}),
        rule("other", {"accept": None}),
        {"map": {"name": "gates", "elem": [["eth0", {"jump": {"target": "gate"}}], ["eth1", {"jump": {"target": "gone"}}]]}},
        {"set": {"name": "nets"}},
        {"set": {"name": "unused"}},
        {"counter": {"name": "c"}},
        {"flowtable": {"name": "f"}},
        chain("own"),
        chain("gate"),
        chain("other"),
        {"chain": POSTROUTING},
    )
    assert kept(*objects) == [
        "table t", "chain post", "chain own", "chain gate", "counter c", "map gates", "set nets", "rule post", "rule post",
        "rule own",
    ]  # fmt: skip


def test_what_lets_packets_through_or_not_is_left_out_and_what_marks_them_is_kept() -> None:
    filtering = chain("filter", type="filter", hook="prerouting", prio=0, policy="drop")
    assert kept(filtering, rule("filter", {"drop": None})) == []
    assert kept(filtering, rule("filter", MARK)) == ["table t", "chain filter", "rule filter"]
    assert kept(filtering, rule("filter", {"jump": {"target": "deep"}}), chain("deep"), rule("deep", {"notrack": None})) != []
    forward = chain("filter", type="filter", hook="forward", prio=0, policy="drop")
    assert kept(forward, rule("filter", MARK)) == []
    assert kept(chain("lonely")) == []
    assert kept({"chain": POSTROUTING}, family="bridge") == []


def test_a_chain_that_is_only_called_loses_its_hook() -> None:
    forward = chain("forward", type="filter", hook="forward", prio=0, policy="drop")
    found = for_trial(listing({"chain": POSTROUTING}, forward, rule("post", {"jump": {"target": "forward"}})))
    assert [each["chain"] for each in found if "chain" in each] == [
        {"family": "ip", "table": "t", **POSTROUTING},
        {"family": "ip", "table": "t", "name": "forward"},
    ]


def test_devices_that_rules_know_by_number_are_named() -> None:
    def asks(key: str, right: object) -> dict[str, Any]:
        return rule("post", {"match": {"op": "==", "left": {"meta": {"key": key}}, "right": right}}, *SNAT)

    objects = (asks("iif", "eth0"), asks("oif", {"set": ["eth1", "lo"]}), asks("oifname", "eth2"), asks("oif", "@some"))
    assert named_devices(for_trial(listing({"chain": POSTROUTING}, *objects))) == ("eth0", "eth1")


ADDRTYPE = {"xt": {"type": "match", "name": "addrtype"}}
MASQUERADE = {"xt": {"type": "target", "name": "MASQUERADE"}}


def test_rules_that_iptables_alone_can_load_are_put_in_their_places_afterwards() -> None:
    chain = {"name": "POSTROUTING", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
    words = "-m addrtype --src-type LOCAL -j MASQUERADE"
    rules = (
        {"expr": [MASQUERADE]},
        {"expr": [ADDRTYPE, MASQUERADE], "iptables": words},
        {"expr": [ADDRTYPE, MASQUERADE]},
        {"expr": SNAT},
    )

    def of(family: str, told: list[tuple[str, str]]) -> tuple[Any, ...]:
        place = {"family": family, "table": "nat"}
        objects = [{"table": {"family": family, "name": "nat"}}, {"chain": {**place, **chain}}]
        objects += [{"rule": {**place, "chain": "POSTROUTING", **each}} for each in rules]
        return for_trial({"nftables": objects}, told)

    kept = of("ip", [("ip6", "nat")])
    loaded = [each["rule"] for each in json.loads(loadable(kept))["nftables"] if "rule" in each]
    assert [each["expr"] for each in loaded] == [SNAT, [{"counter": None}], [{"counter": None}], SNAT]
    assert not any("iptables" in each for each in loaded)
    assert replacing(kept) == (f"iptables-nft -t nat -R POSTROUTING 2 {words}",)
    assert replacing(of("ip6", [])) == (f"ip6tables-nft -t nat -R POSTROUTING 2 {words}",)
    assert of("ip", [("ip", "nat")]) == ()


def test_what_iptables_may_mark_in_an_unseen_way_is_kept() -> None:
    mangle = chain("PREROUTING", type="filter", hook="prerouting", prio=-150, policy="accept")
    assert kept(mangle, rule("PREROUTING", {"xt": {"type": "target", "name": "MARK"}})) != []


def test_it_is_written_as_nft_reads_it() -> None:
    assert loadable(()) == b""
    said = {"rule": {"chain": "p", "expr": ["add @seen { ip saddr : 5 }", {"counter": None}]}}
    assert json.loads(loadable([said]))["nftables"] == [{"rule": {"chain": "p", "expr": [{"counter": None}]}}]
    assert json.loads(loadable([{"table": {"family": "ip", "name": "t"}}])) == {
        "nftables": [{"table": {"family": "ip", "name": "t"}}]
    }
