"""natfix/app/native.py: nft's own tables beside those of iptables."""

import json
from ipaddress import ip_interface
from typing import Any

from natfix.app.check import native_listing, put_together
from natfix.app.cluster import Cluster
from natfix.app.native import look_at_native, look_at_nft_text
from natfix.app.ports import Interface, Route
from natfix.audit.guard import Guard
from natfix.audit.subject import Locality
from natfix.host.memory.nft import MemoryNftListing
from natfix.nft import NftRuleset, parse_nft
from natfix.ruleset import Family, parse, parse_network
from tests.unit.app.twins import CATALOGUE, CLUSTER4, CLUSTER6

NETWORK = (
    (Interface("docker0", "bridge", (ip_interface("172.7.21.1/24"),)), Interface("eth0", "", (ip_interface("10.4.7.21/24"),))),
    (Route(parse_network("172.7.22.0/24"), "10.4.7.22", "eth0"),),
)
OIFNAME = {"match": {"op": "!=", "left": {"meta": {"key": "oifname"}}, "right": "docker0"}}


def listing(*tables: tuple[str, str], expressions: list[dict[str, Any]] | None = None) -> bytes:
    """Tables with one chain for source NAT and one rule each."""
    objects: list[dict[str, Any]] = []
    for family, name in tables:
        place = {"family": family, "table": name}
        base = {"name": "p", "type": "nat", "hook": "postrouting", "prio": 100, "policy": "accept"}
        rule = {"chain": "p", "handle": 3, "expr": expressions or [OIFNAME, {"masquerade": None}]}
        objects += [{"table": {"family": family, "name": name}}, {"chain": {**place, **base}}, {"rule": {**place, **rule}}]
    return json.dumps({"nftables": objects}).encode()


def nft(*tables: tuple[str, str]) -> NftRuleset:
    return parse_nft(listing(*tables), "nft")


def test_a_host_is_judged_by_its_bridges_and_shows_its_devices() -> None:
    looked = look_at_native(nft(("ip", "docker-bridges")), (CLUSTER4,), CATALOGUE, network=NETWORK)
    result = put_together(looked, notes=["a note"])
    (table,) = result.tables
    (finding,) = table.findings
    assert (table.source, table.live, finding.becomes) == ("table ip docker-bridges (nft)", True, "10.4.7.21")
    assert finding.packet is not None
    assert (finding.packet.in_interface, finding.correctable) == ("docker0", False)
    assert result.notes == ("a note",)


def test_a_text_says_which_of_its_tables_it_was() -> None:
    result = look_at_nft_text(nft(("inet", "netavark")), (Cluster(CLUSTER4.networks, "x"),), CATALOGUE)
    assert [table.source for table in result.tables] == ["nft, table inet netavark"]
    assert result.tables[0].findings == (), "a text names no subnet of this host"


def test_pictures_are_made_where_they_are_asked_for() -> None:
    saddr = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "172.7.21.9"}}
    data = listing(("ip", "own"), expressions=[saddr, OIFNAME, {"masquerade": None}])
    result = look_at_nft_text(parse_nft(data, "nft"), (CLUSTER4,), CATALOGUE, charts=True)
    assert len(result.tables[0].charts) == len(result.tables[0].findings) == 1


def test_alternatives_of_one_rule_are_one_finding_about_the_packets_of_all() -> None:
    saddr = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "172.7.21.9"}}
    protocols = {"match": {"op": "==", "left": {"meta": {"key": "l4proto"}}, "right": {"set": ["tcp", "udp"]}}}
    data = listing(("ip", "own"), expressions=[saddr, protocols, OIFNAME, {"masquerade": None}])
    (table,) = look_at_nft_text(parse_nft(data, "nft"), (CLUSTER4,), CATALOGUE).tables
    (finding,) = table.findings
    assert [packets.protocol.ranges for packets in finding.packets] == [((6, 6), (17, 17))]


def test_of_alternatives_the_surest_is_told() -> None:
    saddr = {"payload": {"protocol": "ip", "field": "saddr"}}
    elements = [["172.7.21.9", "10.4.7.21"], [{"odd": 1}, "10.4.7.22"], ["172.7.21.10", "10.4.7.23"]]
    snat = {"snat": {"addr": {"map": {"key": saddr, "data": {"set": elements}}}}}
    asked = {"match": {"op": "==", "left": saddr, "right": {"prefix": {"addr": "172.7.21.0", "len": 24}}}}
    (table,) = look_at_nft_text(
        parse_nft(listing(("ip", "own"), expressions=[asked, snat]), "nft"), (CLUSTER4,), CATALOGUE
    ).tables
    (finding,) = table.findings
    assert finding.certain
    hidden = [packets.source.ranges for packets in finding.packets]
    assert hidden == [((0xAC071509, 0xAC07150A),)]


def test_a_listing_without_source_nat_of_its_own_says_so() -> None:
    result = look_at_nft_text(nft(), (CLUSTER4,), CATALOGUE)
    assert (result.tables, result.notes) == ((), ("nft holds no chain for source NAT that is nft's own",))


def test_a_table_of_both_families_is_judged_in_those_of_the_cluster() -> None:
    families = [each.checked.family for each in look_at_native(nft(("inet", "fw")), (CLUSTER4,), CATALOGUE)]
    assert families == [Family.IPV4]
    families = [each.checked.family for each in look_at_native(nft(("inet", "fw")), (CLUSTER4, CLUSTER6), CATALOGUE)]
    assert families == [Family.IPV4, Family.IPV6]
    assert len(look_at_native(nft(("inet", "fw")), (), CATALOGUE)) == 2


def test_the_guard_is_no_table_to_judge_and_keeps_others_harmless() -> None:
    assert look_at_native(nft(("ip", "natfix")), (CLUSTER4,), CATALOGUE) == []
    home = Locality((parse_network("172.7.21.0/24"),), "docker0")
    guard = Guard.of(Family.IPV4, CLUSTER4.networks, [home])
    (looked,) = look_at_native(nft(("ip", "own")), (CLUSTER4,), CATALOGUE, network=NETWORK, guards=[guard])
    assert [bool(finding.shielded_by) for finding in looked.checked.findings] == [True]


def test_what_forbids_the_listing_is_a_note() -> None:
    notes: list[str] = []
    assert native_listing(MemoryNftListing(listing(("ip", "own"))), notes)
    assert native_listing(MemoryNftListing(), notes) is None
    assert notes == []
    assert native_listing(MemoryNftListing(problem="the program nft is not installed"), notes) is None
    assert notes == ["nft's own tables were not looked at: the program nft is not installed"]


def at(priority: int, name: str) -> bytes:
    return listing(("ip", name)).replace(b'"prio": 100', f'"prio": {priority}'.encode())


def test_the_chains_of_a_listing_are_followed_together() -> None:
    saddr = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "172.7.21.9"}}
    later = listing(("ip", "later"), expressions=[saddr, OIFNAME, {"masquerade": None}])
    objects = [*json.loads(at(90, "early"))["nftables"], *json.loads(later)["nftables"]]
    result = look_at_nft_text(parse_nft(json.dumps({"nftables": objects}).encode(), "nft"), (CLUSTER4,), CATALOGUE)
    first, second = result.findings
    assert (first.first, str(second.first)) == (None, "rule 1 of p in table ip early")


def test_subnets_that_one_table_names_are_known_to_all_of_a_host() -> None:
    saddr = {"match": {"op": "==", "left": {"payload": {"protocol": "ip", "field": "saddr"}}, "right": "172.7.21.9"}}
    office = listing(("ip", "office"), expressions=[{"masquerade": None}])
    naming = listing(("ip", "naming"), expressions=[saddr, {"accept": None}])
    alone = look_at_nft_text(parse_nft(office, "nft"), (CLUSTER4,), CATALOGUE)
    assert (alone.findings, [table.subnets for table in alone.tables]) == ((), [()])
    objects = [*json.loads(office)["nftables"], *json.loads(naming)["nftables"]]
    both = look_at_nft_text(parse_nft(json.dumps({"nftables": objects}).encode(), "nft"), (CLUSTER4,), CATALOGUE)
    assert [str(finding.rule) for finding in both.findings] == ["masquerade"]
    assert len({table.subnets for table in both.tables}) == 1


def test_subnets_that_iptables_names_are_known_to_nft_s_own_tables() -> None:
    text = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -s 172.7.21.0/24 -j ACCEPT\nCOMMIT\n"
    table = parse(text.encode(), "x").table("nat", Family.IPV4)
    assert table is not None
    own = nft(("ip", "office"))
    for beside, found in (([table], 1), ([], 0)):
        (looked,) = look_at_native(own, (CLUSTER4,), CATALOGUE, network=((), ()), beside=beside)
        assert len(looked.checked.findings) == found
