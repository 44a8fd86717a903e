"""natfix/audit/native.py: the audit rules that count for nft's own tables."""

from dataclasses import replace

from natfix.audit import Subject, audit_table
from natfix.audit.analyses import CALLS, HIDING
from natfix.audit.catalogue import Catalogue
from natfix.audit.native import REMEDIATION, for_native
from natfix.host.catalogue import read_catalogue
from natfix.nft.rule import NftChain, NftRule
from natfix.ruleset import Family, Table, parse_network

PACKAGED = read_catalogue(local="/nowhere")
WORDS = "! -o docker0 -s 172.7.21.0/24 -j MASQUERADE"


def subject(*rules: NftRule) -> Subject:
    chain = NftChain("POSTROUTING", "ACCEPT", None, (), (), "nft", translated=rules)
    named = {"POSTROUTING": chain, "p": replace(chain, name="p")}
    table = Table("nat", Family.IPV4, 0, 0, dict.fromkeys(named, 0), {}, (), "nft", dict(named))
    return Subject(table, (parse_network("172.7.0.0/16"),), native=True)


def test_only_what_hides_an_address_is_told_and_nothing_is_corrected() -> None:
    rules = for_native(PACKAGED)
    assert {kind.analysis for kind in rules} == HIDING | CALLS
    assert {kind.fix for kind in rules} == {"none"}
    assert len(for_native(Catalogue(tuple(PACKAGED)))) == len(rules)


def test_a_rule_of_nft_is_found_by_its_packets_and_shown_as_nft_spells_it() -> None:
    rule = NftRule("p", WORDS, line=1, number=1, spelled="oifname != docker0 ip saddr 172.7.21.0/24 masquerade")
    (finding,) = audit_table(subject(rule), for_native(PACKAGED))
    assert (finding.kind.id, finding.correctable, finding.kind.remediation) == ("NAT001", False, REMEDIATION)
    assert str(finding.rule) == "oifname != docker0 ip saddr 172.7.21.0/24 masquerade"
    assert str(finding.packet) == "tcp 172.7.21.2:40000 -> 172.7.22.2:80 in docker0 out eth0"


def test_nft_knows_in_postrouting_which_device_packets_came_in_by() -> None:
    dispatched = NftRule("p", f"-i br0 {WORDS}", line=1, number=1, spelled="iifname br0 masquerade")
    assert audit_table(subject(dispatched), for_native(PACKAGED)) == ()


def test_kube_proxy_s_nft_mode_is_told_with_its_own_cure() -> None:
    chains = {
        "nat-prerouting": ["-j services"],
        "services": ["-d 10.96.0.41/32 -g service-A"],
        "POSTROUTING": ["-j masquerading"],
        "masquerading": ["-m mark --mark 0x0/0x4000 -j RETURN", "-j MASQUERADE --random-fully"],
        "mark-for-masquerade": ["-j MARK --set-xmark 0x4000/0x4000"],
        "service-A": ["-d 10.96.0.41/32 ! -s 10.244.0.0/16 -j mark-for-masquerade"],
        "external-A": ["-j mark-for-masquerade"],
        "endpoint-A": ["-s 172.7.22.2/32 -j mark-for-masquerade"],
    }
    rules = {name: tuple(NftRule(name, each, line=1, spelled="") for each in held) for name, held in chains.items()}
    made = {name: NftChain(name, "-", None, (), (), "nft", translated=held) for name, held in rules.items()}
    table = Table("nat", Family.IPV4, 0, 0, dict.fromkeys(made, 0), {}, (), "nft", dict(made))
    cluster = (parse_network("172.7.0.0/16"),)
    pods = Subject(table, cluster, {"docker0": (parse_network("172.7.21.0/24"),)}, {"eth0": "10.4.7.21"}, native=True)
    (finding,) = audit_table(pods, for_native(PACKAGED))
    assert (finding.kind.id, finding.rule.chain, finding.certain) == ("KUB004", "service-A", True)
    assert "restart it: it writes all of its rules anew" in " ".join(finding.kind.remediation.split())
