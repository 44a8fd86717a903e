"""natfix/audit/claims.py: what natfix says, as packets that a kernel can be asked about."""

import pytest

from natfix.audit import Subject
from natfix.audit.claims import Claim, claims
from natfix.packets import Fate
from natfix.packets.ipset import parse_ipsets
from natfix.ruleset import Family, parse, parse_network

BROAD = "-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"


def nat(*rules: str) -> str:
    return "\n".join(["*nat", ":PREROUTING ACCEPT [0:0]", ":POSTROUTING ACCEPT [0:0]", *rules, "COMMIT", ""])


def claimed(text: str, *clusters: str, sets: str = "") -> list[Claim]:
    ruleset = parse(text.encode(), "dump", Family.IPV4)
    table = ruleset.table("nat", Family.IPV4)
    assert table is not None
    subject = Subject(table, tuple(map(parse_network, clusters or ("172.7.0.0/16",))))
    return list(claims([subject], [("dump", each) for each in ruleset.tables], ipsets=parse_ipsets(sets, "sets")))


def test_a_packet_between_two_hosts_is_claimed_with_its_devices() -> None:
    (claim,) = claimed(nat(BROAD))
    assert str(claim.packet) == "tcp 172.7.21.2:40000 -> 172.7.22.2:80 in docker0 out eth0"
    assert (claim.fate, claim.given, str(claim.rule), claim.doubts) == (Fate.SOURCE_NAT, None, BROAD, ())


def test_each_part_that_the_rules_tell_apart_is_claimed() -> None:
    found = claimed(nat("-A POSTROUTING -d 172.7.30.0/24 -j ACCEPT", BROAD))
    assert [(str(claim.packet.destination), claim.fate) for claim in found] == [
        ("172.7.30.2", Fate.ACCEPT),
        ("172.7.22.2", Fate.SOURCE_NAT),
    ]


@pytest.mark.parametrize(
    ("target", "source"),
    [
        ("SNAT --to-source 10.4.7.99", "10.4.7.99"),
        ("SNAT --to-source 10.4.7.99:1024-65535", "10.4.7.99"),
        ("SNAT --to-source 10.4.7.99-10.4.7.100", "10.4.7.99-10.4.7.100"),
        ("NETMAP --to 10.9.9.0/24", "10.9.9.2"),
        ("MASQUERADE", "None"),
    ],
)
def test_what_the_far_side_sees_is_named_where_the_rule_names_it(target: str, source: str) -> None:
    (claim,) = claimed(nat(f"-A POSTROUTING -s 172.7.21.0/24 ! -o docker0 -j {target}"))
    assert (claim.fate, str(claim.given)) == (Fate.SOURCE_NAT, source)


def test_what_other_tables_do_on_the_way_counts() -> None:
    mangle = "*mangle\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -i docker0 -j MARK --set-xmark 0x1/0x1\nCOMMIT\n"
    (claim,) = claimed(mangle + nat("-A POSTROUTING -m mark --mark 0x1/0x1 -j ACCEPT", BROAD))
    assert (claim.fate, claim.packet.mark) == (Fate.ACCEPT, 0)
    filtering = "*filter\n:FORWARD DROP [0:0]\nCOMMIT\n"
    assert [claim.fate for claim in claimed(filtering + nat(BROAD))] == [Fate.SOURCE_NAT], "filter says nothing of addresses"


def test_what_cannot_be_evaluated_is_claimed_with_its_doubt_and_sets_are_resolved() -> None:
    rules = nat("-A POSTROUTING -m set --match-set pods dst -j ACCEPT", BROAD)
    found = claimed(rules)
    assert [claim.doubts for claim in found] == [("-m set --match-set pods dst",)]
    assert [claim.fate for claim in claimed(rules, sets="create pods hash:net family inet\nadd pods 172.7.0.0/16")] == [
        Fate.ACCEPT
    ]


def test_packets_that_are_sent_elsewhere_are_left_out() -> None:
    redirected = "-A PREROUTING -i docker0 -j DNAT --to-destination 10.99.0.1"
    assert claimed(nat(redirected, BROAD)) == []


def test_a_cluster_that_is_this_one_subnet_has_nothing_to_claim() -> None:
    assert claimed(nat(BROAD), "172.7.21.0/24") == []
    assert claimed(nat()) == []
    halves = [f"-A POSTROUTING -s {half} ! -o docker0 -j MASQUERADE" for half in ("172.7.21.0/25", "172.7.21.128/25")]
    assert claimed(nat(*halves), "172.7.21.0/25", "172.7.21.128/25") == []
