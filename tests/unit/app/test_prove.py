"""natfix/app/prove.py: which packets the kernel is asked about, and with what rules."""

import json
from ipaddress import ip_interface

import pytest

from natfix.app.ports import Interface, Variant
from natfix.app.prove import prove_host, prove_texts
from natfix.app.prove_cases import NativeTables, native_tables
from natfix.errors import UsageError
from natfix.host.memory.judge import MemoryJudge
from natfix.host.memory.network import MemoryLinks
from natfix.host.memory.nft import MemoryNftListing
from natfix.host.memory.rulesets import MemoryRulesetStore
from natfix.packets import Fate
from natfix.report.proof import ProofResult
from natfix.ruleset import parse
from tests.unit.app.twins import BROAD, CATALOGUE, CLUSTER4, CLUSTER6, LEGACY4, NFT4, NFT6, both, nat

LINKS = MemoryLinks(
    (
        Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"),)),
        Interface("eth0", "", (ip_interface("10.4.7.21/24"), ip_interface("fd04::21/64"))),
    )
)


def in_text(text: str, judge: MemoryJudge, *, variant: Variant = "nft", ipsets: str = "") -> ProofResult:
    ruleset = parse(text.encode(), "dump.save")
    return prove_texts([ruleset], (CLUSTER4, CLUSTER6), CATALOGUE, judge=judge, variant=variant, ipsets=ipsets)


def test_the_rules_are_tried_as_they_are_and_as_they_would_be() -> None:
    judge = MemoryJudge()
    found = in_text(nat(BROAD), judge)
    assert [(table.corrected, [proof.seen for proof in table.proofs]) for table in found.tables] == [
        (False, ["192.0.2.1"]),
        (True, ["172.7.21.2"]),
    ]
    assert found.holds
    assert "! -d 172.7.0.0/16" in judge.trials[1].rules
    assert [cluster.origin for cluster in found.clusters] == [CLUSTER4.origin]


def test_a_text_with_the_line_endings_of_windows_is_loaded_without_them() -> None:
    judge = MemoryJudge()
    assert in_text(nat(BROAD).replace("\n", "\r\n"), judge).holds
    assert [trial.rules.count("\r") for trial in judge.trials] == [0, 0]


def test_a_host_that_is_right_is_tried_once() -> None:
    found = in_text(nat("-d 172.7.0.0/16 -j ACCEPT", BROAD), MemoryJudge(), variant="legacy")
    assert [(table.backend, table.corrected) for table in found.tables] == [("iptables-legacy", False)]
    assert found.holds


def test_a_kernel_that_disagrees_is_told() -> None:
    found = in_text(nat(BROAD), MemoryJudge(contrary=True))
    assert not found.holds
    assert [proof.verdict for table in found.tables for proof in table.proofs] == ["disagrees", "agrees"]


def test_a_named_address_is_expected_and_of_a_range_any() -> None:
    found = in_text(nat("-s 172.7.21.0/24 ! -o docker0 -j SNAT --to-source 10.4.7.99"), MemoryJudge())
    assert found.tables[0].proofs[0].expected == ("10.4.7.99",)
    found = in_text(nat("-s 172.7.21.0/24 ! -o docker0 -j NETMAP --to 10.9.9.0/24"), MemoryJudge())
    assert found.tables[0].proofs[0].expected == ("10.9.9.2",)
    (proof,) = in_text(nat("-s 172.7.21.0/24 -j SNAT --to-source 10.9.9.1-10.9.9.4"), MemoryJudge()).tables[0].proofs
    assert (proof.expected, str(proof.claim.given), proof.verdict) == ((), "10.9.9.1-10.9.9.4", "agrees")


def test_sets_that_nobody_told_of_are_empty_and_that_is_said() -> None:
    judge = MemoryJudge()
    rules = ("-m set --match-set pods dst -j ACCEPT", "-m set --match-set KUBE-LOOP-BACK dst,dst,src -j MASQUERADE", BROAD)
    found = in_text(nat(*rules), judge, ipsets="create other hash:ip family inet\nadd other 10.0.0.1\n")
    assert judge.trials[0].ipsets == (
        "create other hash:ip family inet\nadd other 10.0.0.1\n"
        "create pods hash:net family inet\ncreate KUBE-LOOP-BACK hash:ip,port,ip family inet\n"
    )
    assert found.notes[0] == "nobody tells what is in the ipset pods; the kernel was asked with an empty one"
    assert found.tables[0].proofs[0].verdict == "open"
    known = in_text(nat(rules[0], BROAD), judge, ipsets="create pods hash:net family inet\nadd pods 172.7.0.0/16\n")
    assert (known.notes, known.tables[0].proofs[0].verdict) == ((), "agrees")


def test_without_a_packet_to_send_the_kernel_is_not_asked() -> None:
    judge = MemoryJudge()
    assert [table.proofs for table in in_text(nat(), judge).tables] == [()]
    assert judge.trials == []


def test_this_host_is_tried_with_its_own_addresses() -> None:
    judge = MemoryJudge()
    stores = [MemoryRulesetStore(NFT4, nat(BROAD)), MemoryRulesetStore(LEGACY4, nat())]
    found = prove_host(stores, (CLUSTER4,), LINKS, CATALOGUE, judge=judge)
    assert [(table.source, table.corrected) for table in found.tables] == [
        (str(NFT4), False),
        (str(NFT4), True),
        (str(LEGACY4), False),
    ]
    (proof,) = found.tables[0].proofs
    assert (proof.expected, proof.seen) == (("10.4.7.21",), "10.4.7.21")
    assert found.holds


DOCKER29 = json.dumps(
    {
        "nftables": [
            {"table": {"family": "ip", "name": "docker-bridges"}},
            {
                "chain": {
                    "family": "ip", "table": "docker-bridges", "name": "post",
                    "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept",
                }
            },
            {
                "rule": {
                    "family": "ip", "table": "docker-bridges", "chain": "post", "handle": 4,
                    "expr": [
                        {
                            "match": {
                                "op": "==",
                                "left": {"payload": {"protocol": "ip", "field": "saddr"}},
                                "right": {"prefix": {"addr": "172.7.21.0", "len": 24}},
                            }
                        },
                        {"match": {"op": "!=", "left": {"meta": {"key": "oif"}}, "right": "docker0"}},
                        {"masquerade": None},
                    ],
                }
            },
        ]
    }
).encode()  # fmt: skip
FILTERS = b'{"nftables": [{"table": {"family": "inet", "name": "fw"}}]}'


def test_tables_of_nft_are_tried_beside_each_ruleset() -> None:
    judge, ruleset = MemoryJudge(), parse(nat("-d 172.7.30.0/24 -j ACCEPT").encode(), "dump.save")
    native = native_tables([(DOCKER29, "ruleset.json")])
    found = prove_texts([ruleset], (CLUSTER4, CLUSTER6), CATALOGUE, judge=judge, native=native)
    (table,) = found.tables
    assert (table.source, table.backend) == ("dump.save and table ip docker-bridges", "iptables-nft and nft")
    # ACCEPT of one table leads to the next.
    assert [(proof.claim.fate, proof.verdict) for proof in table.proofs] == [(Fate.SOURCE_NAT, "agrees")] * 2
    assert judge.trials[0].devices == ("docker0",)


def test_tables_of_nft_are_tried_alone_where_there_is_no_other() -> None:
    judge, native = MemoryJudge(), native_tables([(DOCKER29, "nft"), (FILTERS, "nft")])
    (text,) = prove_texts([], (CLUSTER4, CLUSTER6), CATALOGUE, judge=judge, native=native).tables
    listing = MemoryNftListing(DOCKER29)
    (host,) = prove_host([], (CLUSTER4, CLUSTER6), LINKS, CATALOGUE, judge=judge, native=listing).tables
    assert (text.source, text.backend) == (host.source, host.backend) == ("table ip docker-bridges", "nft")
    assert ([proof.seen for proof in text.proofs], [proof.seen for proof in host.proofs]) == (["192.0.2.1"], ["10.4.7.21"])
    assert judge.trials[0].rules == ""
    assert native_tables([(FILTERS, "nft")]) == NativeTables()
    with pytest.raises(UsageError, match="no cluster CIDR is known for nft"):
        prove_texts([], (), CATALOGUE, judge=judge, native=native)


def test_an_address_that_no_other_host_can_see_is_none_that_masquerade_gives() -> None:
    uplink = Interface("eth0", "", (ip_interface("fe80::1/64"), ip_interface("10.4.7.21/24")))
    links = MemoryLinks((Interface("docker0", "bridge", (ip_interface("fd07:21::1/64"),)), uplink))
    stores = [MemoryRulesetStore(NFT6, nat("-s fd07:21::/64 ! -o docker0 -j MASQUERADE"))]
    found = prove_host(stores, (CLUSTER6,), links, CATALOGUE, judge=MemoryJudge())
    assert [(proof.expected, proof.verdict) for proof in found.tables[0].proofs] == [((), "agrees")]


def test_without_a_cluster_nobody_knows_which_packets_to_send() -> None:
    ruleset = parse(nat(BROAD).encode(), "dump.save")
    with pytest.raises(UsageError, match=r"no cluster CIDR is known for dump\.save"):
        prove_texts([ruleset], (), CATALOGUE, judge=MemoryJudge())
    with pytest.raises(UsageError, match="no cluster CIDR is known for this host"):
        prove_host([MemoryRulesetStore(NFT4, nat(BROAD))], (), LINKS, CATALOGUE, judge=MemoryJudge())
    nothing = parse(b"*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", "filter.save")
    assert prove_texts([nothing], (), CATALOGUE, judge=MemoryJudge()).tables == ()


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_each_half_of_a_text_is_loaded_in_its_own_backend(variant: Variant) -> None:
    judge = MemoryJudge()
    found = in_text(both(nat(BROAD), nat("-s 172.7.21.0/24 -j SNAT --to-source 10.9.9.9")), judge, variant=variant)
    assert [(table.backend, table.corrected, [proof.seen for proof in table.proofs]) for table in found.tables] == [
        ("iptables-nft", False, ["192.0.2.1"]),
        ("iptables-nft", True, ["172.7.21.2"]),
        ("iptables-legacy", False, ["10.9.9.9"]),
        ("iptables-legacy", True, ["172.7.21.2"]),
    ]
    assert [trial.rules.count("*nat") for trial in judge.trials] == [1, 1, 1, 1]
    assert found.notes[0].startswith("dump.save holds what iptables-nft and iptables-legacy printed")
