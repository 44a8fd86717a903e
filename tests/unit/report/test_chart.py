"""natfix/report/chart.py: a finding as boxes and rows, with the way of its packet."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from natfix.audit import Subject, audit_table
from natfix.host.catalogue import read_catalogue
from natfix.packets import Fate, Packet, walk
from natfix.packets.ipset import parse_ipsets
from natfix.report.chart import Box, Chart, Row, chart, packets_like
from natfix.ruleset import Family, parse, parse_network
from tests.unit.report.results import BROAD, CLUSTER, CORRECTED, NESTED, dropped, findings, looked_at, shielded, simple


def charts(text: str) -> dict[str, Chart]:
    """The pictures of a text by the rule they are about."""
    return {str(place.finding.rule): place.chart for place in looked_at(text).places if place.chart}


def test_a_rule_is_shown_as_it_is_and_as_natfix_makes_it() -> None:
    (drawn,) = charts(simple()).values()
    assert drawn.table == "nat"
    assert drawn.packet == "tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0"
    assert drawn.before.box == Box("POSTROUTING", 1, (Row(BROAD, 1, taken=True, mark="culprit"),))
    assert (drawn.before.decided, drawn.before.good) == (True, False)
    assert drawn.before.end == "172.7.21.2 leaves as the address of eth0"
    assert drawn.after is not None
    assert drawn.after.box == Box("POSTROUTING", 1, (Row(CORRECTED, 1, mark="new"),))
    assert (drawn.after.decided, drawn.after.good) == (False, True)
    assert drawn.after.end == "leaves as it came, from 172.7.21.2"


def test_the_way_goes_into_chains_and_leaves_those_closed_that_it_does_not_enter() -> None:
    drawn = charts(NESTED)["-A INNER -j SNAT --to-source 10.4.7.21"]
    first, closed, entered, last = drawn.before.box.rows
    assert first.taken
    assert first.box is not None
    assert [(row.text.split()[-1], row.taken) for row in first.box.rows] == [("RETURN", True), ("MASQUERADE", False)]
    assert (closed.taken, closed.box) == (False, None)
    assert (entered.number, entered.taken, last.taken) == (3, True, False)
    assert entered.box is not None
    inner = entered.box.rows[1].box
    assert inner == Box("INNER", 1, (Row("-j SNAT --to-source 10.4.7.21", 1, taken=True, mark="culprit"),))


def test_what_decides_first_is_pointed_at_where_it_stands() -> None:
    drawn = charts(NESTED)[f"-A POSTROUTING {BROAD}"]
    entered, last = drawn.before.box.rows[-2:]
    assert (entered.taken, last.taken, last.mark) == (False, True, "culprit")
    assert entered.box is not None
    inner = entered.box.rows[1].box
    assert inner is not None
    assert [(row.mark, row.taken) for row in inner.rows] == [("first", False)]


def test_rules_that_do_not_matter_are_counted() -> None:
    many = "".join(f"-A POSTROUTING -s 10.0.0.{number}/32 -j ACCEPT\n" for number in range(1, 9))
    text = simple().replace("COMMIT\n", f"{many}COMMIT\n").replace("-A POSTROUTING -s 172", f"{many}-A POSTROUTING -s 172")
    (drawn,) = charts(text).values()
    assert [(row.text, row.number) for row in drawn.before.box.rows] == [
        ("7 more rules", 0),
        ("-s 10.0.0.8/32 -j ACCEPT", 8),
        (BROAD, 9),
        ("-s 10.0.0.1/32 -j ACCEPT", 10),
        ("7 more rules", 0),
    ]


def test_a_packet_that_matches_nothing_passes_the_first_rule() -> None:
    many = "".join(f"-A POSTROUTING -s 10.0.0.{number}/32 -j ACCEPT\n" for number in range(1, 5))
    text = simple().replace("COMMIT\n", f"{many}COMMIT\n")
    table = parse(text.replace(f"-A POSTROUTING {BROAD}\n", "").encode(), "x", Family.IPV4).table("nat", Family.IPV4)
    (place,) = looked_at(text).places
    drawn = chart(place.finding, _subject(text), table)
    assert drawn is not None
    assert drawn.after is not None
    assert [row.text for row in drawn.after.box.rows] == ["-s 10.0.0.1/32 -j ACCEPT", "3 more rules"]


def test_a_correction_that_does_not_help_is_not_told_as_one_that_does() -> None:
    (place,) = looked_at(simple()).places
    drawn = chart(place.finding, _subject(simple()), _subject(simple()).table)
    assert drawn is not None
    assert drawn.after is not None
    assert (drawn.after.good, drawn.after.decided, drawn.after.end) == (False, True, "172.7.21.2 still leaves as another")


def test_a_packet_that_is_dropped_is_shown_in_its_own_table() -> None:
    (finding,) = dropped().findings
    raw = parse(b"*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -d 172.7.21.2/32 ! -i docker0 -j DROP\nCOMMIT\n", "x")
    subject = replace(_subject(simple(CORRECTED)), filtering={"raw": raw.tables[0]})
    drawn = chart(finding, subject, None)
    assert drawn is not None
    assert (drawn.table, drawn.before.box.chain, drawn.before.end) == ("raw", "PREROUTING", "dropped, and nobody is told")
    assert drawn.after is None
    assert chart(finding, replace(subject, filtering={}), None) is None


def test_a_finding_behind_the_guard_is_shown_as_harmless() -> None:
    (finding,) = shielded().findings
    drawn = chart(finding, _subject(simple()), None)
    assert drawn is not None
    assert drawn.before.good
    assert "but nft table ip natfix keeps it from that" in drawn.before.end


FORWARD = """\
*filter
:FORWARD DROP [0:0]
:DOCKER-USER - [0:0]
:DOCKER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 -j DOCKER
-A DOCKER-USER -j RETURN
-A DOCKER -d 172.7.21.9/32 -j ACCEPT
COMMIT
"""


def test_what_a_policy_drops_goes_down_to_the_policy() -> None:
    subject = _subject(simple(CORRECTED))
    subject = replace(subject, bridges={"docker0": (parse_network("172.7.21.0/24"),)}, devices={"eth0": "10.4.7.21"})
    subject = replace(subject, filtering={"filter": parse(FORWARD.encode(), "x").tables[0]})
    (finding,) = (each for each in audit_table(subject, read_catalogue(local="/nowhere")) if each.kind.id == "FIL001")
    drawn = chart(finding, subject, None)
    assert drawn is not None
    user, docker, inwards, policy = drawn.before.box.rows
    assert (user.taken, docker.taken, inwards.taken) == (True, True, False)
    assert user.box == Box("DOCKER-USER", 1, (Row("-j RETURN", 1, taken=True),))
    assert docker.box == Box("DOCKER", 1)
    assert policy == Row("policy DROP", mark="culprit")
    assert (drawn.before.decided, drawn.before.end) == (False, "dropped, and nobody is told")


def test_a_policy_that_no_rule_leads_to_has_a_picture() -> None:
    text = f"*nat\n:POSTROUTING DROP [0:0]\n-A POSTROUTING {CORRECTED}\nCOMMIT\n"
    subject = _subject(text)
    (finding,) = (each for each in audit_table(subject, read_catalogue(local="/nowhere")) if each.kind.id == "NAT016")
    assert finding.path == ()
    drawn = chart(finding, subject, None)
    assert drawn is not None
    assert [(row.text, row.mark) for row in drawn.before.box.rows] == [(CORRECTED, ""), ("policy DROP", "culprit")]


def test_sets_of_the_host_decide_where_the_packet_goes_after_the_correction() -> None:
    text = simple().replace("-A POSTROUTING", "-A POSTROUTING -m set --match-set far dst -j ACCEPT\n-A POSTROUTING", 1)
    (place,) = (each for each in looked_at(text).places if each.finding.kind.id == "NAT001")
    corrected = parse(simple(CORRECTED).encode(), "x", Family.IPV4).table("nat", Family.IPV4)
    sets = parse_ipsets("create far hash:net family inet\nadd far 10.99.0.0/16\n", "x")
    drawn = chart(place.finding, replace(_subject(text), ipsets=sets), corrected)
    assert drawn is not None
    assert [row.taken for row in drawn.before.box.rows] == [False, True]


def test_what_no_packet_shows_has_no_picture() -> None:
    finding = findings()["NAT001 1"]
    for change in (replace(finding, packet=None), replace(finding, path=())):
        assert chart(change, _subject(simple()), None) is None


def test_a_chain_that_is_not_there_is_an_empty_box() -> None:
    (place,) = looked_at(simple()).places
    other = parse(b"*nat\nCOMMIT\n", "x", Family.IPV4).table("nat", Family.IPV4)
    drawn = chart(place.finding, _subject(simple()), other)
    assert drawn is not None
    assert drawn.after is not None
    assert drawn.after.box == Box("POSTROUTING", 0)


@pytest.mark.parametrize(
    "packet",
    [
        Packet(ip_address("172.7.21.2"), ip_address("172.7.22.2"), "eth0", "tcp", 40000, 80, 0x1),
        Packet(ip_address("172.7.21.2"), ip_address("172.7.22.2"), "eth0", "icmp"),
        Packet(ip_address("172.7.21.2"), ip_address("172.7.22.2"), "", "200", in_interface="eth1"),
    ],
)
def test_a_packet_is_the_set_of_itself(packet: Packet) -> None:
    held = packets_like(packet, Family.IPV4)
    assert (list(held.source.ranges), held.mark.value) == ([(int(packet.source),) * 2], packet.mark)
    assert packet.out_interface in held.out_interface
    assert held.in_interface is None or packet.in_interface in held.in_interface
    assert (packet.source_port is None) == (held.source_port.ranges == ((0, 65535),))
    assert [outcome.fate for outcome in walk(_subject(simple(CORRECTED)).table, "POSTROUTING", held)] == [Fate.ACCEPT]


def _subject(text: str) -> Subject:
    table = parse(text.encode(), "dump.save", Family.IPV4).table("nat", Family.IPV4)
    assert table is not None
    return Subject(table, CLUSTER.networks)
