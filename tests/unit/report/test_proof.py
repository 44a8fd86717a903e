"""natfix/report/proof.py: what the kernel did beside what natfix said, as text and JSON."""

import json
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import jsonschema
import pytest

from natfix.audit.claims import Claim
from natfix.packets import Fate, Packet
from natfix.packets.given import Given
from natfix.report.lines import plain
from natfix.report.model import ClusterOrigin
from natfix.report.proof import Proof, ProofResult, ProvedTable, joined, proof_document, proof_lines
from natfix.ruleset import Rule, parse_network

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "schemas" / "proof-1.json").read_text())
PACKET = Packet(ip_address("172.7.21.2"), ip_address("172.7.22.2"), "eth0", "tcp", 40000, 80, in_interface="docker0")
RULE = Rule("POSTROUTING", "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE", number=1)
HIDDEN = Claim(PACKET, Fate.SOURCE_NAT, rule=RULE)
RANGED = replace(HIDDEN, given=Given(ip_address("10.9.9.1"), ip_address("10.9.9.4")))
KEPT = Claim(PACKET, Fate.ACCEPT)
CLUSTER = ClusterOrigin((parse_network("172.7.0.0/16"),), "--cluster-cidr")


def result(*proofs: Proof, corrected: bool = False, notes: tuple[str, ...] = ()) -> ProofResult:
    return ProofResult((ProvedTable("dump.save", "iptables-nft", corrected, proofs),), (CLUSTER,), notes)


def told(found: ProofResult) -> str:
    return plain(proof_lines(found))


@pytest.mark.parametrize(
    ("claim", "seen", "expected", "verdict"),
    [
        (HIDDEN, "10.4.7.21", (), "agrees"),
        (HIDDEN, "10.4.7.21", ("10.4.7.21",), "agrees"),
        (HIDDEN, "10.4.7.22", ("10.4.7.21",), "disagrees"),
        (HIDDEN, "172.7.21.2", (), "disagrees"),
        (HIDDEN, None, (), "disagrees"),
        (RANGED, "10.9.9.3", (), "agrees"),
        (RANGED, "10.9.9.5", (), "disagrees"),
        (RANGED, None, (), "disagrees"),
        (KEPT, "172.7.21.2", (), "agrees"),
        (KEPT, "10.4.7.21", (), "disagrees"),
        (KEPT, None, (), "disagrees"),
        (replace(KEPT, fate=Fate.DROP), None, (), "agrees"),
        (replace(KEPT, fate=Fate.DROP), "172.7.21.2", (), "disagrees"),
        (replace(KEPT, doubts=("-m recent --set",)), "10.4.7.21", (), "open"),
    ],
)
def test_the_kernel_agrees_or_not(claim: Claim, seen: str | None, expected: tuple[str, ...], verdict: str) -> None:
    proof = Proof(claim, seen, expected)
    assert proof.verdict == verdict
    assert result(proof).holds is (verdict != "disagrees")


def test_what_was_sent_said_and_seen_is_told() -> None:
    assert (
        told(result(Proof(HIDDEN, "10.4.7.21"), notes=("a note",)))
        == """\
cluster 172.7.0.0/16 (from --cluster-cidr)
note: a note

dump.save, as it is, loaded with iptables-nft
  proved  tcp 172.7.21.2:40000 -> 172.7.22.2:80 in docker0 out eth0
          natfix says: its source becomes the address of the device it leaves by (rule 1 of POSTROUTING)
          the far end saw: 10.4.7.21

the kernel agrees about 1 packet
"""
    )


def test_a_disagreement_and_what_is_open_are_told() -> None:
    named = replace(HIDDEN, given=Given(ip_address("10.4.7.99"), ip_address("10.4.7.99")), doubts=("-m recent --set",))
    text = told(
        result(Proof(KEPT, None), Proof(named, "10.4.7.99"), Proof(replace(KEPT, fate=Fate.DROP), None), corrected=True)
    )
    assert "dump.save, as natfix apply would leave it" in text
    assert "  WRONG   tcp" in text
    assert "natfix says: it keeps its source (no rule decides)\n          the far end saw: nothing" in text
    assert "its source becomes 10.4.7.99 (rule 1 of POSTROUTING), perhaps: it depends on -m recent --set" in text
    assert "natfix says: it is dropped" in text
    assert text.endswith(
        "the kernel disagrees about 1 packet: a defect of natfix, please report it; 1 open, as natfix says itself\n"
    )


def test_each_way_to_rewrite_is_said_as_it_is() -> None:
    snat = Rule("POSTROUTING", "-p tcp -j SNAT --to-source :4000-5000", number=1)
    text = told(result(Proof(RANGED, "10.9.9.3"), Proof(replace(HIDDEN, rule=snat), "10.4.7.21")))
    assert "its source becomes one of 10.9.9.1-10.9.9.4 (rule 1 of POSTROUTING)" in text
    assert "its source becomes another (rule 1 of POSTROUTING)" in text


def test_nothing_to_prove_is_said() -> None:
    assert told(result()).endswith(
        "nothing to prove: no packet goes from a container subnet of this host to the rest of the cluster\n"
    )


def test_results_are_joined_and_what_several_say_is_said_once() -> None:
    one = result(Proof(KEPT, "172.7.21.2"), notes=("a", "b"))
    other = result(Proof(KEPT, None), notes=("b", "c"))
    both = joined([one, other])
    assert both.tables == (*one.tables, *other.tables)
    assert (both.clusters, both.notes) == ((CLUSTER,), ("a", "b", "c"))
    assert (one.holds, both.holds) == (True, False)


def test_the_document_is_what_its_schema_describes() -> None:
    document = proof_document(result(Proof(HIDDEN, "10.4.7.21", ("10.4.7.21",)), Proof(KEPT, None), Proof(RANGED, "10.9.9.3")))
    jsonschema.validate(document, SCHEMA)
    (table,) = document["tables"]
    assert [(each["said"], each["seen"], each["verdict"]) for each in table["proofs"]] == [
        ("source-nat", "10.4.7.21", "agrees"),
        ("accept", None, "disagrees"),
        ("source-nat", "10.9.9.3", "agrees"),
    ]
    assert [each["becomes"] for each in table["proofs"]] == [None, None, "10.9.9.1-10.9.9.4"]
    assert (document["holds"], table["proofs"][0]["rule"], table["proofs"][1]["rule"]) == (False, str(RULE), None)
