"""natfix/audit/arrival.py: what comes to a nat table when others are asked before it."""

from dataclasses import replace

import pytest

from natfix.audit import Locality, Subject
from natfix.audit.arrival import Arrival, arrivals, before, places_of
from natfix.packets import Fate, Intervals, Names
from natfix.packets.bits import UNKNOWN, Bits
from natfix.packets.trace import Place
from natfix.ruleset import Family, Table, parse
from tests.unit.audit.subjects import BROAD, networks, subject

DOCKER0 = Locality(networks(["172.7.21.0/24"]), "docker0")
MARKS = "-i docker0 -p tcp -m tcp --dport 443 -j MARK --set-xmark 0x1/0xffffffff"


def table(name: str, hook: str, *rules: str, family: Family = Family.IPV4, origin: str = "iptables-nft") -> tuple[str, Table]:
    lines = [f"*{name}", f":{hook} ACCEPT [0:0]", *(f"-A {hook} {rule}" for rule in rules), "COMMIT", ""]
    (found,) = parse("\n".join(lines).encode(), origin, family).tables
    return origin, found


def native(priority: int, *rules: str, name: str = "own", kind: str = "nat", hook: str = "POSTROUTING") -> Place:
    """A chain of nft's own, in the words of iptables."""
    return Place(table(kind, hook, *rules)[1], hook, f"table ip {name}", hook, priority)


def behind(looked: Subject, *places: Place) -> Subject:
    return replace(looked, before=places)


def came(looked: Subject, locality: Locality = DOCKER0) -> tuple[Arrival, ...]:
    packets = looked.protected(locality)
    assert packets is not None
    return arrivals(looked, packets, locality)


def mangle(*rules: str) -> Place:
    (place,) = places_of([table("mangle", "PREROUTING", *rules)])
    return place


def test_without_other_tables_packets_come_as_they_were_sent() -> None:
    looked = subject(BROAD)
    packets = looked.protected(DOCKER0)
    assert packets is not None
    assert came(looked) == (Arrival(packets),)


def test_only_what_changes_packets_is_on_the_way() -> None:
    quiet = table("raw", "PREROUTING", "-d 172.7.21.2 ! -i docker0 -j DROP")
    loud = table("mangle", "FORWARD", "-j MARK --set-xmark 0x1/0x1")
    useless = table("mangle", "POSTROUTING", '-m comment --comment "no -j MARK here" -j ACCEPT')
    nat, redirecting = table("nat", "POSTROUTING", BROAD), table("nat", "PREROUTING", "-j DNAT --to-destination 10.0.0.1")
    own = [
        native(90, "-j MASQUERADE"),
        native(50, "-s 10.0.0.0/8 -j ACCEPT", name="idle"),
        native(99, "-j SNAT --to-source 172.7.21.0-172.7.21.255", name="natfix"),
        native(-100, "-j DNAT --to-destination 10.0.0.1", name="dnat", hook="PREROUTING"),
        native(0, "-j MARK --set-xmark 0x1/0x1", name="marks", kind="filter", hook="FORWARD"),
    ]
    found = places_of([quiet, loud, useless, nat, redirecting], own)
    named = [(place.origin, place.table.name, place.where) for place in found]
    assert named == [
        ("iptables-nft", "mangle", "FORWARD"),
        ("table ip marks", "filter", "FORWARD"),
        ("table ip own", "nat", "POSTROUTING"),
        ("iptables-nft", "nat", "POSTROUTING"),
    ]


def test_what_is_asked_before_a_chain_is_known_by_hook_and_priority() -> None:
    marks = places_of(
        [table("mangle", "PREROUTING", MARKS), table("mangle", "PREROUTING", "-j CT --notrack", family=Family.IPV6)]
    )
    origin, nat = table("nat", "POSTROUTING", BROAD)
    early, beside, twin, late = (native(priority, "-j MASQUERADE", name=f"at{priority}") for priority in (90, 100, 100, 110))
    places = (*marks, early, Place(nat, "POSTROUTING", origin), beside, twin, late)
    assert before(places, Place(nat, "POSTROUTING", origin)) == (marks[0], early)
    assert before(places, early) == (marks[0],)
    assert before(places, twin) == (marks[0], early, beside), "nft lists what it asks in its order"
    assert before(places, late) == (marks[0], early, places[3], beside, twin)
    assert before((), early) == ()


def test_marks_are_told_with_the_rule_that_sets_them() -> None:
    marked, rest = sorted(
        came(behind(subject(BROAD), mangle(MARKS))), key=lambda each: (not each.marked, each.packets.protocol.ranges)
    )[:2]
    assert (marked.packets.mark, marked.packets.destination_port) == (Bits(1), Intervals.single(443))
    assert (marked.packets.in_interface, rest.marked, rest.packets.mark) == (None, (), Bits())
    assert str(marked.marked[0]) == "rule 1 of PREROUTING in mangle (iptables-nft)"


def test_a_mark_that_stays_what_it_was_is_none() -> None:
    assert all(not each.marked for each in came(behind(subject(BROAD), mangle("-j MARK --set-xmark 0x0/0x0"))))


def test_a_mark_that_a_new_connection_has_not_yet_is_none() -> None:
    (arrival,) = came(behind(subject(BROAD), mangle("-j MARK --set-xmark 0x1/0x1", "-j CONNMARK --restore-mark")))
    assert arrival.marked == ()
    assert arrival.doubts == ()


def test_a_mark_that_a_rule_gave_the_connection_before_is_one() -> None:
    rules = "-j CONNMARK --set-xmark 0x10/0xffffffff", "-j CONNMARK --restore-mark --nfmask 0xf0 --ctmask 0xff"
    (arrival,) = came(behind(subject(BROAD), mangle(*rules)))
    assert arrival.packets.mark == Bits(0x10)
    assert [each.rule.spec for each in arrival.marked] == [*rules]
    (arrival,) = came(behind(subject(BROAD), mangle(rules[0])))
    assert (arrival.packets.mark, arrival.packets.connmark, len(arrival.marked)) == (Bits(), Bits(0x10), 1)


def test_bits_that_are_set_behind_what_nobody_knows_are_known() -> None:
    (arrival,) = came(behind(subject(BROAD), mangle("-j HMARK --hmark-mod 2", "-j MARK --set-xmark 0x10/0x10")))
    assert (arrival.packets.mark, arrival.doubts) == (Bits(0x10, 0x10, 0xFFFFFFEF), ())
    assert len(arrival.marked) == 2


def test_a_target_that_nobody_knows_may_mark() -> None:
    (arrival,) = came(behind(subject(BROAD), mangle("-j NFQUEUE --queue-num 1")))
    assert (arrival.packets.mark, arrival.doubts) == (UNKNOWN, ("-j NFQUEUE",))


@pytest.mark.parametrize(
    ("rule", "does"),
    [
        ('-m comment --comment "a -j MARK b" -j LOG', False),
        ('-m comment --comment "a -j LOG b" -j MARK --set-xmark 0x1/0x1', True),
        ("-p tcp -j TCPMSS --clamp-mss-to-pmtu", False),
        ("-j SET --map-set x src --map-mark", True),
        ("-j NEVERSEEN", True),
        ("-g ELSEWHERE", False),
    ],
)
def test_chains_that_change_nothing_are_none_of_the_places(rule: str, does: bool) -> None:  # noqa: FBT001
    text = f"*mangle\n:PREROUTING ACCEPT [0:0]\n:ELSEWHERE - [0:0]\n-A PREROUTING {rule}\nCOMMIT\n"
    made = parse(text.encode(), "x").table("mangle", Family.IPV4)
    assert made is not None
    assert bool(places_of([("x", made)])) is does


def test_where_nobody_told_the_device_a_rule_for_one_is_only_possible() -> None:
    looked = behind(subject("-s 172.7.21.0/24 -j MASQUERADE"), mangle(MARKS))
    found = came(looked, looked.localities[0])
    assert [each.doubts for each in found if each.marked] == [("-i docker0",)]
    assert any(not each.marked and not each.doubts for each in found)


def test_untracked_packets_are_lost_to_every_nat_table() -> None:
    place = places_of([table("raw", "PREROUTING", "-s 172.7.21.0/24 -j CT --notrack")])
    (arrival,) = came(behind(subject(BROAD), *place))
    assert arrival.lost is not None
    assert arrival.lost.by == "rule 1 of PREROUTING in raw (iptables-nft)"


def test_a_connection_that_has_its_own_source_already_is_lost_too() -> None:
    (arrival,) = came(behind(subject(BROAD), native(90, "-j SNAT --to-source 172.7.21.0-172.7.21.255")))
    assert arrival.lost is not None
    assert arrival.lost.by == "rule 1 of POSTROUTING in table ip own"


def test_a_source_that_another_table_rewrites_first_is_told() -> None:
    (arrival,) = came(behind(subject(BROAD), native(90, "-j MASQUERADE")))
    assert (arrival.lost, arrival.fate, str(arrival.first)) == (
        None,
        Fate.SOURCE_NAT,
        "rule 1 of POSTROUTING in table ip own",
    )


def test_a_chain_of_nft_s_own_sees_the_device_that_packets_came_in_by() -> None:
    looked = replace(subject(BROAD), native=True)
    arrival = next(each for each in came(behind(looked, mangle(MARKS))) if each.marked)
    assert arrival.packets.in_interface == Names("docker0")
