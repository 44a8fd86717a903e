"""natfix/report/trace.py: the way of packets as a story and as JSON that its schema describes."""

import json
from ipaddress import ip_interface
from pathlib import Path

import jsonschema
import pytest

from natfix.app.ports import Interface
from natfix.app.trace import asked, trace_host
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.nft import parse_nft
from natfix.packets import PacketSet
from natfix.packets.trace import THROUGH, follow, passed
from natfix.report.lines import plain
from natfix.report.trace import Traced, trace_document, trace_lines
from natfix.ruleset import Family, parse
from tests.unit.app.twins import NFT4
from tests.unit.packets.tables import addresses
from tests.unit.packets.test_trace import packet

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "trace-1.json").read_text())
HOST = """\
*mangle
:PREROUTING ACCEPT [0:0]
COMMIT
*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
:KUBE-POSTROUTING - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -j KUBE-POSTROUTING
-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MASQUERADE
COMMIT
"""


def traced(text: str, one: PacketSet | None = None, **values: object) -> Traced:
    followed = one or packet()
    tables = [("dump", table) for table in parse(text.encode(), "dump", Family.IPV4).tables]
    trace = follow(passed(tables, THROUGH), followed)
    return Traced(followed, trace, ("dump",), **values)  # type: ignore[arg-type]


def told(found: Traced, *, every: bool = False) -> str:
    return plain(trace_lines(found, every=every))


def nat(*rules: str, policy: str = "ACCEPT", chains: str = "") -> str:
    declared = [":PREROUTING ACCEPT [0:0]", f":POSTROUTING {policy} [0:0]", *(f":{chain} - [0:0]" for chain in chains.split())]
    return "\n".join(["*nat", *declared, *rules, "COMMIT", ""])


def test_the_story_of_a_packet_that_is_rewritten() -> None:
    assert (
        told(traced(HOST, notes=("out eth0: from the route to 172.7.22.0/24",), addresses={"eth0": "10.4.7.21"}))
        == """\
tcp 172.7.21.2:40000 -> 172.7.22.2:80 in docker0 out eth0
  out eth0: from the route to 172.7.22.0/24

nat PREROUTING of dump
  PREROUTING 1  -m addrtype --dst-type LOCAL -j DOCKER  => no: --dst-type LOCAL
  policy ACCEPT

nat POSTROUTING of dump
  POSTROUTING 1  -j KUBE-POSTROUTING  => yes: into KUBE-POSTROUTING
    KUBE-POSTROUTING 1  -m mark ! --mark 0x4000/0x4000 -j RETURN  => yes: back
  POSTROUTING 2  -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE  => yes: the source becomes the address of the device it leaves by

rewritten: the far side sees 10.4.7.21 instead of 172.7.21.2, by rule 2 of POSTROUTING
"""
    )


def test_the_story_of_a_set_says_which_part() -> None:
    some = packet().having("destination", addresses("172.7.0.0/16"))
    text = told(traced(nat("-A POSTROUTING -d 172.7.22.0/24 -j ACCEPT", "-A POSTROUTING -j MASQUERADE"), some))
    assert "  POSTROUTING 1  -d 172.7.22.0/24 -j ACCEPT  => some (to 172.7.22.0/24): accepted, this table is done\n" in text
    assert text.endswith(
        "to 172.7.22.0/24: the far side (172.7.22.0/24) sees 172.7.21.2, the address it has\n"
        "to 172.7.0.0/20, 172.7.16.0/22, 172.7.20.0/23 and 5 more: "
        "rewritten: the far side sees the address of eth0 instead of 172.7.21.2, by rule 2 of POSTROUTING\n"
    )


def test_rules_that_do_not_match_are_counted_unless_all_are_asked_for() -> None:
    rules = [f"-A POSTROUTING -s 10.0.{number}.0/24 -j MASQUERADE" for number in range(9)]
    found = traced(nat(*rules, "-A POSTROUTING -j ACCEPT", *rules[:3]))
    assert told(found).split("\n")[3:6] == [
        "  POSTROUTING 1  -s 10.0.0.0/24 -j MASQUERADE  => no: -s 10.0.0.0/24",
        "  … and 8 more rules do not match; --all tells why",
        "  POSTROUTING 10  -j ACCEPT  => yes: accepted, this table is done",
    ]
    assert told(found, every=True).count("=> no") == 9


def test_what_is_in_doubt_is_said() -> None:
    text = told(traced(nat("-A POSTROUTING -m recent --set -j MASQUERADE")))
    assert "=> perhaps, natfix cannot evaluate -m recent --set: the source becomes" in text
    assert "(possible: it depends on -m recent --set)\n" in text


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("-A POSTROUTING -j SNAT --to-source 10.4.7.99", "sees 10.4.7.99 instead of 172.7.21.2"),
        ("-A POSTROUTING -j NETMAP --to 10.9.9.0/24", "sees 10.9.9.2 instead of 172.7.21.2"),
        ("-A POSTROUTING -j NETMAP --to 10.9.9.0/24", "=> yes: the source becomes 10.9.9.2"),
        ("-A POSTROUTING -j NETMAP --to 0.0.0.0/0", "=> yes: bound to the source it has"),
        ("-A POSTROUTING -o eth+ -j MASQUERADE", "the address of eth0 instead"),
        ("-A POSTROUTING -j LOG", "=> yes: LOG"),
        ("-A POSTROUTING -s 172.7.21.2", "=> yes: counted"),
        ("-A POSTROUTING -g OWN", "=> yes: on to OWN"),
        ("-A PREROUTING -p tcp -j REDIRECT", "handed to this host itself by rule 1 of PREROUTING"),
        ("-A PREROUTING -p tcp -j DNAT --to-destination 172.7.22.9", "the far side (172.7.22.9) sees 172.7.21.2"),
        ("-A POSTROUTING -j DROP", "dropped by rule 1 of POSTROUTING"),
    ],
)
def test_every_end_is_told(rule: str, words: str) -> None:
    assert words in told(traced(nat(rule, chains="OWN")))


def test_a_policy_drops_and_a_connection_may_not_be_tracked() -> None:
    text = told(traced("*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"))
    assert text.endswith("filter FORWARD of dump\n  policy DROP\n\ndropped by the policy of a chain\n")
    raw = "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j CT --notrack\nCOMMIT\n"
    assert "its connection is not tracked, so no nat chain is asked" in told(traced(raw))


def test_nobody_can_name_the_device_that_is_any() -> None:
    some = packet().having("out_interface", packet().out_interface.__class__())
    text = told(traced(nat("-A POSTROUTING ! -o docker0 -j MASQUERADE"), some))
    assert "sees the address of the device it leaves by instead" in text


def test_the_document_is_what_its_schema_describes() -> None:
    rules = ["-A POSTROUTING -m recent --set -j ACCEPT", "-A POSTROUTING -d 172.7.22.0/24 -j MASQUERADE"]
    some = packet().having("destination", addresses("172.7.0.0/16"))
    found = traced(nat(*rules, "-A POSTROUTING -s 10.0.0.0/8 -j DROP"), some, notes=("a note",))
    document = trace_document(found)
    jsonschema.validate(document, SCHEMA)
    (stage,) = (each for each in document["stages"] if each["chain"] == "POSTROUTING")
    assert [step["answer"] for step in stage["steps"]] == ["perhaps", "some", "no"]
    assert [(end["fate"], end["certain"], end["becomes"]) for end in document["ends"]] == [
        ("accept", False, None),
        ("source-nat", False, "the address of eth0"),
        ("accept", False, None),
    ]
    jsonschema.validate(trace_document(traced(HOST)), SCHEMA)
    assert [step["answer"] for step in trace_document(traced(HOST))["stages"][2]["steps"]] == ["yes", "yes", "yes"]


def test_what_comes_to_this_host_is_seen_by_it() -> None:
    text = "*nat\n:INPUT ACCEPT [0:0]\n{}COMMIT\n"
    for rule, end in {
        "": "this host (10.4.7.21) sees 172.7.22.2, the address it has",
        "-A INPUT -j SNAT --to-source 10.4.7.22\n": (
            "rewritten: this host sees 10.4.7.22 instead of 172.7.22.2, by rule 1 of INPUT"
        ),
    }.items():
        store = MemoryRulesetStore(NFT4, text.format(rule))
        links = MemoryLinks([Interface("eth0", "", (ip_interface("10.4.7.21/24"),))])
        lines = list(trace_lines(trace_host(asked("172.7.22.2", "10.4.7.21"), [store], links)))
        assert lines[-1].text == end
        assert lines[0].text == "tcp 172.7.22.2:40000 -> 10.4.7.21:80"


def test_a_rule_of_nft_that_is_several_is_told_by_its_own_chain() -> None:
    rule = {"chain": "p", "handle": 4, "expr": [{"mangle": {"key": {"meta": {"key": "mark"}}, "value": 1}}, {"accept": None}]}
    base = {"name": "p", "type": "filter", "hook": "postrouting", "prio": -150, "policy": "accept"}
    place = {"family": "ip", "table": "own"}
    objects = [{"table": {"family": "ip", "name": "own"}}, {"chain": {**place, **base}}, {"rule": {**place, **rule}}]
    (chain,) = parse_nft(json.dumps({"nftables": objects}).encode(), "nft").chains
    found = Traced(packet(), follow([chain.place], packet()), ("nft",))
    assert told(found).splitlines()[3:7] == [
        "  p 1  meta mark set 1 accept  => yes: its parts, one after the other",
        "    p 1  meta mark set 1 accept  => yes: marked",
        "    p 1  meta mark set 1 accept  => yes: accepted, this table is done",
        "",
    ]
    assert {step["chain"] for step in trace_document(found)["stages"][0]["steps"]} == {"p"}
