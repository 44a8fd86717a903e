"""natfix/packets/walk.py: walking a table as the kernel does."""

import pytest

from natfix.errors import RulesetSyntaxError, UnsupportedError
from natfix.packets import Fate, Intervals, Names, Outcome, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.packets.packetset import STATES
from natfix.ruleset import Family, Rule, Table
from tests.unit.packets.tables import addresses, everything, nat, tcp

WHOLE = everything()
ANY_MARK = WHOLE.having("mark", Bits(0, 0))
HIDDEN = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
PODS = PacketSet(Family.IPV4, addresses("172.7.21.0/24"), addresses("172.7.22.0/24"), Names("eth0"))
UNKNOWN = "-m set --match-set a src"


def told(table: Table, packets: PacketSet = PODS) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Each outcome as its fate, the specs on its path, the spec that decided, and what was unknown."""
    return [
        (each.fate.value, "; ".join(rule.spec for rule in each.path), each.rule.spec if each.rule else "", each.unknown)
        for each in walk(table, "POSTROUTING", packets)
    ]


def fates(table: Table, packets: PacketSet = PODS) -> list[str]:
    return [each.fate.value + ("" if each.certain else "?") for each in walk(table, "POSTROUTING", packets)]


def test_an_empty_chain_and_a_missing_one_accept() -> None:
    assert walk(nat(), "POSTROUTING", PODS) == (Outcome(PODS, Fate.ACCEPT, (), None),)
    assert walk(nat(), "INPUT", PODS) == (Outcome(PODS, Fate.ACCEPT, (), None),)


def test_what_no_rule_decides_meets_the_policy() -> None:
    assert fates(nat(policy="DROP")) == ["drop"]
    assert fates(nat("-j RETURN", policy="DROP")) == ["drop"]
    assert fates(nat("-j ACCEPT", policy="DROP")) == ["accept"]
    assert fates(nat("A: -j RETURN", "-g A", policy="DROP")) == ["drop"]


def test_a_filter_table_also_refuses_and_looks_at_the_way_in() -> None:
    coming = PODS.having("in_interface", Names("eth0"))
    table = nat("-i eth1 -j ACCEPT", "-p tcp -j CT --helper ftp", "-i eth0 -j REJECT --reject-with icmp-port-unreachable")
    assert fates(table, coming) == ["drop"]
    assert fates(table) == ["accept?", "drop?", "accept?"]


def test_packets_that_are_no_longer_tracked_are_another_part() -> None:
    tracked, untracked = walk(nat("-p tcp -j CT --notrack", "-m conntrack --ctstate UNTRACKED -j ACCEPT"), "POSTROUTING", PODS)
    assert (untracked.packets.state, untracked.rule) == (frozenset({"NEW", "RELATED"}), None)
    assert (tracked.packets.state, tracked.packets.protocol) == (frozenset({"UNTRACKED"}), Intervals.single(6))


def test_the_rule_that_decides_and_the_way_there_are_told() -> None:
    table = nat("-s 172.7.0.0/16 -j A", f"A: {HIDDEN}")
    assert told(table) == [("source-nat", f"-s 172.7.0.0/16 -j A; {HIDDEN}", HIDDEN, ())]


def test_the_first_rule_that_decides_wins() -> None:
    assert fates(nat("-d 172.7.22.0/24 -j ACCEPT", HIDDEN)) == ["accept"]
    assert fates(nat(HIDDEN, "-d 172.7.22.0/24 -j ACCEPT")) == ["source-nat"]


def test_packets_are_parted_where_rules_part_them() -> None:
    table = nat("-d 172.7.22.0/25 -j RETURN", HIDDEN)
    seen = [(each.fate, each.packets.destination) for each in walk(table, "POSTROUTING", PODS)]
    assert seen == [
        (Fate.SOURCE_NAT, addresses("172.7.22.128/25")),
        (Fate.ACCEPT, addresses("172.7.22.0/25")),
    ]


@pytest.mark.parametrize(
    ("rules", "fate"),
    [
        (["-j A", HIDDEN, "A: -j RETURN"], "source-nat"),
        (["-j A", HIDDEN, "A: -j ACCEPT"], "accept"),
        (["-j A", HIDDEN, "A:"], "source-nat"),
        (["-g A", HIDDEN, "A:"], "accept"),
        (["-g A", HIDDEN, "A: -j RETURN"], "accept"),
        (["-g A", "A: -j MASQUERADE"], "source-nat"),
        (["-j A", HIDDEN, "A: -g B", "A: -j ACCEPT", "B: -j RETURN"], "source-nat"),
        (["-j A", HIDDEN, "A: -j B", "A: -j ACCEPT", "B: -j RETURN"], "accept"),
        (["-g A", HIDDEN, "A: -j B", "A: -j MASQUERADE", "B: -j RETURN"], "source-nat"),
        (["-j A", "-j A", HIDDEN, "A: -d 10.0.0.0/8 -j ACCEPT"], "source-nat"),
        (["-j MISSING", HIDDEN], "source-nat?"),
        (["-j DROP"], "drop"),
        (["-j LOG", "-d 172.7.22.0/24", HIDDEN], "source-nat"),
    ],
)
def test_jumps_come_back_and_gotos_do_not(rules: list[str], fate: str) -> None:
    assert fates(nat(*rules)) == [fate]


def test_a_rule_that_changes_nothing_parts_nothing_and_is_on_no_path() -> None:
    table = nat("-d 172.7.22.0/25 -j A", "-p tcp -j LOG", f"{UNKNOWN} -j B", HIDDEN, "A: -p udp -j RETURN", "B:")
    assert told(table) == [("source-nat", HIDDEN, HIDDEN, ())]


@pytest.mark.parametrize(
    ("spec", "hidden"),
    [
        ("! -p tcp", False),
        ("-p tcp", True),
        ("-o eth+", True),
        ("! -o eth+", False),
        ("-o docker+", False),
        ("-o +", True),
        ("-p tcp -m tcp --dport 0:65535", True),
        ("-p udp -m udp --dport 80", False),
        ("-m mark --mark 0x4000/0x4000", False),
        ("-m mark ! --mark 0x4000/0x4000", True),
        ("-d 172.7.0.0/16", True),
        ("! -d 172.7.0.0/16", False),
        ("-m addrtype --src-type LOCAL,UNICAST", True),
    ],
)
def test_a_certain_match_is_certain(spec: str, hidden: bool) -> None:  # noqa: FBT001
    packets = tcp(PODS).having("source_type", frozenset({"UNICAST"}))
    assert fates(nat(f"{spec} -j MASQUERADE"), packets) == ["source-nat" if hidden else "accept"]


def test_ipv6_packets_walk_as_ipv4_packets_do() -> None:
    packets = PacketSet(Family.IPV6, addresses("fd00:21::/64"), addresses("fd00:22::/64"))
    table = nat("-s fd00:21::/64 ! -d fd00::/16 -j MASQUERADE", family=Family.IPV6)
    assert fates(table, packets) == ["accept"]
    assert fates(nat("-s fd00:21::/64 -j MASQUERADE", family=Family.IPV6), packets) == ["source-nat"]


def test_a_mark_that_was_set_is_matched_later() -> None:
    table = nat("-d 172.7.22.0/24 -j MARK --set-xmark 0x4000/0x4000", "-m mark --mark 0x4000/0x4000 -j MASQUERADE")
    assert fates(table) == ["source-nat"]
    (outcome,) = walk(table, "POSTROUTING", PODS)
    assert outcome.packets == PODS


def test_packets_are_told_with_the_marks_they_came_with() -> None:
    kube = nat("-m mark ! --mark 0x4000/0x4000 -j RETURN", "-j MARK --set-xmark 0x4000/0x0", "-j MASQUERADE --random-fully")
    seen = {each.fate: each.packets.mark for each in walk(kube, "POSTROUTING", ANY_MARK)}
    assert seen == {Fate.SOURCE_NAT: Bits(0x4000, 0x4000), Fate.ACCEPT: Bits(0, 0x4000)}


def test_a_restored_mark_makes_only_what_asks_for_it_possible() -> None:
    restored = "-j CONNMARK --restore-mark"
    assert fates(nat(restored, HIDDEN)) == ["source-nat"]
    asked = "-m mark --mark 0x1/0x1 -j MASQUERADE"
    assert told(nat(restored, asked)) == [
        ("source-nat", f"{restored}; {asked}", asked, ("--mark 0x1/0x1",)),
        ("accept", restored, "", ("--mark 0x1/0x1",)),
    ]


def test_an_unknown_match_goes_both_ways_and_says_so() -> None:
    rule = f"{UNKNOWN} -j MASQUERADE"
    assert told(nat(rule)) == [("source-nat", rule, rule, (UNKNOWN,)), ("accept", "", "", (UNKNOWN,))]


def test_an_unknown_match_leaves_what_it_cannot_concern_certain() -> None:
    table = nat(f"-d 172.7.22.0/25 {UNKNOWN} -j ACCEPT", HIDDEN)
    seen = [(each.fate.value, each.certain, each.packets.destination) for each in walk(table, "POSTROUTING", PODS)]
    low, high = addresses("172.7.22.0/25"), addresses("172.7.22.128/25")
    assert seen == [("accept", False, low), ("source-nat", True, high), ("source-nat", False, low)]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([f"{UNKNOWN} -j RETURN", HIDDEN], ["source-nat?", "accept?"]),
        ([f"{UNKNOWN} -g A", HIDDEN, "A:"], ["source-nat?", "accept?"]),
        ([f"{UNKNOWN} -j A", HIDDEN, "A: -j ACCEPT"], ["accept?", "source-nat?"]),
        ([f"{UNKNOWN} -j A", HIDDEN, f"A: {UNKNOWN} -j ACCEPT"], ["accept?", "source-nat?"]),
        ([f"{UNKNOWN} -j ACCEPT", f"{UNKNOWN} -j DROP"], ["accept?", "drop?", "accept?"]),
        ([f"{UNKNOWN} -j MARK --set-xmark 0x1/0x1", "-m mark --mark 0x1/0x1 -j DROP"], ["drop?", "accept?"]),
        ([f"{UNKNOWN} -j A", HIDDEN, "A: -j RETURN"], ["source-nat"]),
    ],
)
def test_doubt_reaches_as_far_as_the_unknown_match_matters(rules: list[str], expected: list[str]) -> None:
    assert fates(nat(*rules)) == expected


def test_doubts_within_doubts_do_not_multiply() -> None:
    jumps = [f"{UNKNOWN} -j C{number}" for number in range(60)]
    chains = [f"C{number}: -m set --match-set b{number} dst -d 172.7.22.{number}/32 -j ACCEPT" for number in range(60)]
    assert len(walk(nat(*jumps, *chains), "POSTROUTING", PODS)) < 60 * 4


def test_skipped_rules_are_not_there_in_every_copy() -> None:
    rule = Rule("POSTROUTING", HIDDEN)
    table = nat(HIDDEN, HIDDEN, "-j DROP")
    (outcome,) = walk(table, "POSTROUTING", PODS, skip=frozenset({rule}))
    assert outcome.fate is Fate.DROP


def test_chains_that_call_each_other_in_a_circle_are_refused() -> None:
    table = nat("-j A", "A: -j B", "B: -g A")
    with pytest.raises(RulesetSyntaxError, match="POSTROUTING -> A -> B -> A call each other in a circle") as caught:
        walk(table, "POSTROUTING", PODS)
    assert (caught.value.source, caught.value.line) == ("rules.v4", 7)


def test_a_circle_that_no_packet_reaches_is_no_matter() -> None:
    assert fates(nat("-d 10.0.0.0/8 -j A", HIDDEN, "A: -j A")) == ["source-nat"]


def test_chains_nested_as_deep_as_anybody_nests_them_are_walked() -> None:
    deep = [f"C{number}: -j C{number + 1}" for number in range(98)]
    assert fates(nat("-j C0", *deep, "C98: -j DROP")) == ["drop"]


def test_chains_nested_deeper_are_refused() -> None:
    deep = [f"C{number}: -j C{number + 1}" for number in range(2000)]
    with pytest.raises(UnsupportedError, match=r"rules\.v4, line \d+: chains are nested more than 100 deep"):
        walk(nat("-j C0", *deep, "C2000:"), "POSTROUTING", PODS)


def test_only_new_and_related_connections_come_by() -> None:
    assert WHOLE.state == STATES
    assert fates(nat("-m conntrack --ctstate NEW,RELATED -j MASQUERADE"), WHOLE) == ["source-nat"]
    assert fates(nat("-m conntrack --ctstate ESTABLISHED -j MASQUERADE"), WHOLE) == ["accept"]
