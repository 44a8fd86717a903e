"""natfix/packets/fields.py: how each option splits a set."""

import pytest

from natfix.packets import Intervals, Names, PacketSet
from natfix.packets.bits import ALL_BITS, Bits
from natfix.packets.fields import SPLITTERS, Split, in_known_set, parse_mark
from natfix.packets.ipset import parse_ipsets
from natfix.packets.packetset import ADDRESS_TYPES
from natfix.ruleset import Family, Rule
from tests.unit.packets.tables import addresses, everything, option, tcp

APART = everything().having("source", addresses("10.1.0.0/16")).having("destination", addresses("10.2.0.0/16"))


def split(words: str, packets: PacketSet) -> Split | None:
    seen = option(words)
    return SPLITTERS[seen.owner, seen.name](packets, seen)


def values(name: str, parts: Split | None) -> tuple[list[object], list[object]]:
    assert parts is not None
    inside, outside = parts
    return [getattr(each, name) for each in inside], [getattr(each, name) for each in outside]


def test_addresses_split_in_two() -> None:
    whole = everything()
    inside, outside = values("source", split("-s 10.0.0.0/8", whole))
    assert inside == [addresses("10.0.0.0/8")]
    assert outside == [whole.source - addresses("10.0.0.0/8")]


def test_several_networks_are_any_of_them() -> None:
    inside, _ = values("destination", split("-d 10.0.0.0/8,11.0.0.0/8,172.16.0.0/12", everything()))
    assert inside == [addresses("10.0.0.0/7", "172.16.0.0/12")]


def test_the_device_a_packet_came_in_by_splits_only_where_it_is_known() -> None:
    assert split("-i eth0", everything()) is None
    coming = everything().having("in_interface", Names())
    assert values("in_interface", split("-i eth+", coming)) == ([Names("eth+")], [Names().excluding("eth+")])
    assert split("-i +", coming) == ((coming,), ())


def test_before_routing_a_packet_leaves_by_no_device() -> None:
    unrouted = everything().having("out_interface", Names(""))
    assert split("-o docker0", unrouted) == ((), (unrouted,))
    assert split("-o +", unrouted) == ((unrouted,), ())


def test_ipv6_addresses_split_in_two() -> None:
    inside, _ = values("source", split("-s fd00:21::/64", everything(Family.IPV6)))
    assert inside == [addresses("fd00:21::/64")]


def test_a_set_that_is_all_inside_leaves_nothing_outside() -> None:
    pods = everything().having("source", addresses("10.1.0.0/16"))
    assert split("-s 10.0.0.0/8", pods) == ((pods,), ())
    assert split("-s 11.0.0.0/8", pods) == ((), (pods,))


@pytest.mark.parametrize(
    "words",
    [
        "-s 10.0.0.1/255.0.255.0",
        "-s pod.example",
        "-s fd00::/8",
        "-m iprange --src-range 10.0.0.1-pod",
        "-m iprange --dst-range fd00::1-fd00::9",
        "-m iprange --dst-range 10.0.0.1-fd00::9",
        "-p mystery",
        "-m mark --mark many",
        "-m addrtype --src-type UNSPEC",
        "-m addrtype --dst-type LOCAL,THROW",
        "-m conntrack --ctstate DNAT",
        "-m tcp --dport http",
        "-m multiport --ports http",
    ],
)
def test_what_the_rule_alone_does_not_say_nobody_can_tell(words: str) -> None:
    assert split(words, tcp(everything())) is None


def test_a_range_of_addresses_has_both_its_ends() -> None:
    first = int(addresses("10.0.0.5/32").ranges[0][0])
    inside, _ = values("source", split("-m iprange --src-range 10.0.0.5-10.0.0.9", everything()))
    assert inside == [Intervals(((first, first + 4),))]
    inside, _ = values("destination", split("-m iprange --dst-range 10.0.0.5", everything()))
    assert inside == [Intervals.single(first)]


@pytest.mark.parametrize(("words", "numbers"), [("-p tcp", 6), ("-p UDP", 17), ("-p 47", 47), ("-p ipv6-icmp", 58)])
def test_a_protocol_has_a_number(words: str, numbers: int) -> None:
    inside, outside = values("protocol", split(words, everything()))
    assert inside == [Intervals.single(numbers)]
    assert outside == [Intervals.of([(0, numbers - 1), (numbers + 1, 255)])]


@pytest.mark.parametrize("words", ["-p all", "-p 0"])
def test_every_protocol_leaves_nothing_outside(words: str) -> None:
    assert split(words, everything()) == ((everything(),), ())


@pytest.mark.parametrize(
    ("words", "name", "wanted"),
    [
        ("-m tcp --dport 80", "destination_port", [(80, 80)]),
        ("-m tcp --sport 1024:", "source_port", [(1024, 65535)]),
        ("-m udp --sport :1023", "source_port", [(0, 1023)]),
        ("-m sctp --dport 5:7", "destination_port", [(5, 7)]),
        ("-m multiport --dports 80,443,8000:8080", "destination_port", [(80, 80), (443, 443), (8000, 8080)]),
        ("-m multiport --sports 53", "source_port", [(53, 53)]),
    ],
)
def test_ports_split_packets_that_have_ports(words: str, name: str, wanted: list[tuple[int, int]]) -> None:
    inside, outside = values(name, split(words, tcp(everything())))
    assert inside == [Intervals.of(wanted)]
    assert outside == [Intervals.of([(0, 65535)]) - Intervals.of(wanted)]


@pytest.mark.parametrize("words", ["-m tcp --dport 80", "-m multiport --sports 53", "-m multiport --ports 53"])
def test_ports_of_packets_that_may_have_none_nobody_can_tell(words: str) -> None:
    assert split(words, everything()) is None
    assert split(words, everything().having("protocol", Intervals.single(1))) is None


def test_either_port_is_met_by_the_one_or_the_other() -> None:
    parts = split("-m multiport --ports 7:9", tcp(everything()))
    some, rest = Intervals.of([(7, 9)]), Intervals.of([(0, 6), (10, 65535)])
    whole = Intervals.of([(0, 65535)])
    assert values("source_port", parts) == ([some, rest], [rest])
    assert values("destination_port", parts) == ([whole, some], [rest])


@pytest.mark.parametrize("name", ["KUBE-LOOP-BACK", "KUBE-6-LOOP-BACK"])
def test_the_set_of_hairpins_holds_no_packet_to_another_address(name: str) -> None:
    assert in_known_set(APART, [option(f"-m set --match-set {name} dst,dst,src")], {}) == ((), (APART,))
    assert in_known_set(APART, [option(f"-m set ! --match-set {name} dst,dst,src")], {}) == ((APART,), ())


@pytest.mark.parametrize("words", ["--match-set cluster dst", "! --match-set cluster dst", "--return-nomatch"])
def test_a_set_that_nobody_told_of_stays_open(words: str) -> None:
    assert in_known_set(APART, [option(f"-m set {words}")], {}) is None


def test_a_packet_that_may_call_itself_may_be_a_hairpin() -> None:
    assert in_known_set(everything(), [option("-m set --match-set KUBE-LOOP-BACK dst,dst,src")], {}) is None


def test_a_set_that_is_known_splits_like_any_other_match() -> None:
    sets = parse_ipsets("create far hash:net family inet\nadd far 10.2.0.0/17\n", "sets")
    inside = APART.having("destination", addresses("10.2.0.0/17"))
    outside = APART.having("destination", addresses("10.2.128.0/17"))
    assert in_known_set(APART, [option("-m set --match-set far dst")], sets) == ((inside,), (outside,))
    assert in_known_set(APART, [option("-m set ! --match-set far dst")], sets) == ((outside,), (inside,))


@pytest.mark.parametrize("more", ["--return-nomatch", "! --update-counters", "--packets-gt 5"])
def test_a_set_that_is_asked_for_more_than_membership_stays_open(more: str) -> None:
    rule = Rule("POSTROUTING", f"-m set --match-set far dst {more}")
    sets = parse_ipsets("create far hash:net family inet\nadd far 10.2.0.0/17\n", "sets")
    assert in_known_set(APART, rule.options[1:], sets) is None


def test_marks_split_into_as_many_sets_as_there_are_bits() -> None:
    packets = everything().having("mark", Bits(0, 0))
    inside, outside = values("mark", split("-m mark --mark 0x6/0x6", packets))
    assert inside == [Bits(0x6, 0x6)]
    assert outside == [Bits(0, 0x2), Bits(0x2, 0x6)]
    assert split("-m mark --mark 0x6/0x6", everything()) == ((), (everything(),))


def test_a_mark_is_read_with_and_without_a_mask() -> None:
    assert parse_mark("0x4000/0x4000") == (0x4000, 0x4000)
    assert parse_mark("17") == (17, ALL_BITS)


@pytest.mark.parametrize("text", ["", "x", "0x1/", "/0x1", "1/y"])
def test_what_is_no_mark_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        parse_mark(text)


def test_kinds_of_addresses_split_in_two() -> None:
    inside, outside = values("source_type", split("-m addrtype --src-type local,UNICAST", everything()))
    assert inside == [frozenset({"LOCAL", "UNICAST"})]
    assert outside == [ADDRESS_TYPES - {"LOCAL", "UNICAST"}]
    inside, _ = values("destination_type", split("-m addrtype --dst-type MULTICAST", everything()))
    assert inside == [frozenset({"MULTICAST"})]


def test_only_states_that_the_nat_table_sees_are_met() -> None:
    inside, outside = values("state", split("-m conntrack --ctstate NEW,INVALID", everything()))
    assert (inside, outside) == ([frozenset({"NEW"})], [frozenset({"RELATED"})])
    assert split("-m state --state ESTABLISHED", everything()) == ((), (everything(),))


def test_devices_split_in_two() -> None:
    inside, outside = values("out_interface", split("-o eth+", everything()))
    assert [str(each) for each in inside] == ["Names(pattern='eth+', without=frozenset())"]
    assert ["eth0" in each for each in outside if hasattr(each, "__contains__")] == [False]


def test_a_comment_matches_everything() -> None:
    assert split("-m comment --comment x", everything()) == ((everything(),), ())


def test_what_opens_a_connection_goes_in_its_direction() -> None:
    whole = everything()
    assert split("-m conntrack --ctdir ORIGINAL", whole) == ((whole,), ())
    assert split("-m conntrack --ctdir REPLY", whole) == ((), (whole,))
    assert split("-m conntrack --ctdir ORIGINAL", whole.having("state", frozenset({"UNTRACKED"}))) is None
    assert split("-m conntrack --ctdir OTHER", whole) is None
