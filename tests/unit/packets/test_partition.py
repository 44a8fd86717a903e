"""natfix/packets/partition.py: what a table makes of a set of packets."""

from natfix import partition as public
from natfix.packets import Fate, Names, PacketSet
from natfix.packets.ipset import parse_ipsets
from natfix.packets.partition import Part, partition
from natfix.ruleset import Family
from tests.unit.packets.tables import addresses, nat

PODS = PacketSet(Family.IPV4, addresses("172.7.21.0/24"), addresses("172.7.0.0/16"), Names("eth0"))
SET = "create near hash:net family inet\nadd near 172.7.22.0/24\n"


def to(*networks: str) -> PacketSet:
    return PODS.having("destination", addresses(*networks))


def test_one_set_is_masqueraded_by_a_rule_by_a_path_and_the_other_is_left_alone() -> None:
    table = nat("-s 172.7.21.0/24 -j A", "A: -d 172.7.0.0/17 -j RETURN", "A: -j MASQUERADE")
    hidden, alone = public(table, "POSTROUTING", PODS)
    assert (hidden.packets, hidden.fate, hidden.certain) == ((to("172.7.128.0/17"),), Fate.SOURCE_NAT, True)
    assert [str(rule) for rule in hidden.path] == ["-A POSTROUTING -s 172.7.21.0/24 -j A", "-A A -j MASQUERADE"]
    assert hidden.rule == hidden.path[-1]
    assert (alone.packets, alone.fate, alone.rule) == ((to("172.7.0.0/17"),), Fate.ACCEPT, None)


def test_what_one_rule_decides_by_one_path_is_one_part_though_it_came_in_pieces() -> None:
    table = nat("-d 172.7.9.0/24 -p tcp -j A", "-d 172.7.0.0/16 -j MASQUERADE", "A: -d 172.7.9.8/32 -j RETURN", "A: -j ACCEPT")
    parts = partition(table, "POSTROUTING", PODS)
    assert [(part.fate, len(part.path)) for part in parts] == [
        (Fate.ACCEPT, 2),
        (Fate.SOURCE_NAT, 1),
        (Fate.SOURCE_NAT, 3),
    ]
    assert all(isinstance(part, Part) for part in parts)


def test_the_same_words_in_two_places_are_two_rules() -> None:
    rule = "-o eth0 -j MASQUERADE"
    parts = partition(nat("-p tcp -j A", rule, f"A: {rule}"), "POSTROUTING", PODS)
    assert [part.rule.chain for part in parts if part.rule] == ["A", "POSTROUTING"]


def test_what_nobody_can_tell_stands_in_both_parts_with_the_words_it_hangs_on() -> None:
    table = nat("-m set --match-set near dst -j ACCEPT", "-j MASQUERADE")
    assert [part.certain for part in partition(table, "POSTROUTING", PODS)] == [False, False]
    known = partition(table, "POSTROUTING", PODS, ipsets=parse_ipsets(SET, "sets"))
    assert [(part.fate, part.certain) for part in known] == [(Fate.ACCEPT, True), (Fate.SOURCE_NAT, True)]


def test_a_chain_that_is_not_there_leaves_everything_alone() -> None:
    assert partition(nat(), "INPUT", PODS) == (Part((PODS,), Fate.ACCEPT, None, ()),)
