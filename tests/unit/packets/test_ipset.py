"""natfix/packets/ipset.py: what ipset save says, and which packets are in a set."""

from ipaddress import ip_network

import pytest

from natfix.errors import RulesetSyntaxError
from natfix.packets import Intervals, Names, PacketSet
from natfix.packets.ipset import Entry, IpSet, by_set, parse_ipsets
from natfix.ruleset import Family
from tests.unit.packets.tables import addresses, everything, tcp

SAVED = """\
create pods hash:net family inet hashsize 1024 maxelem 65536 bucketsize 12 initval 0xbd81f985
add pods 10.1.0.0/16 nomatch
add pods 10.0.0.0/8
create ends hash:ip,port family inet hashsize 1024 maxelem 65536 comment
add ends 10.0.0.1,tcp:80-81 comment "the nomatch one"
add ends 10.0.0.1,tcp:443
create six hash:ip,port,net family inet6 hashsize 1024 maxelem 65536
add six fd00::1,udp:53,fd00:1::/64
create ways hash:net,iface family inet hashsize 1024 maxelem 65536
add ways 10.0.0.0/24,eth0
add ways 10.0.1.0/24,cali wildcard
create both list:set size 8
add both pods
add both hosts
create hosts hash:ip family inet hashsize 64 maxelem 65536 timeout 300
add hosts 10.1.0.1 timeout 299
add hosts 10.1.0.4-10.1.0.7
# the end
"""
SETS = parse_ipsets(SAVED, "sets")
WHOLE = everything()


def parts(name: str, *directions: str, packets: PacketSet = WHOLE) -> tuple[tuple[PacketSet, ...], tuple[PacketSet, ...]]:
    found = by_set(packets, SETS[name], directions, SETS)
    assert found is not None
    return found


def of(text: str, packets: PacketSet = WHOLE, *directions: str) -> object:
    """What a set ``it`` made by *text* does to packets."""
    sets = parse_ipsets(text, "sets")
    return by_set(packets, sets["it"], directions or ("src", "src", "src"), sets)


def test_what_ipset_save_prints_is_read() -> None:
    assert SETS["pods"] == IpSet("pods", ("net",), Family.IPV4, (Entry(("10.1.0.0/16",), nomatch=True), Entry(("10.0.0.0/8",))))
    assert SETS["ends"].entries == (Entry(("10.0.0.1", "tcp:80-81")), Entry(("10.0.0.1", "tcp:443")))
    assert (SETS["six"].family, SETS["six"].dimensions) == (Family.IPV6, ("ip", "port", "net"))
    assert SETS["ways"].entries[1] == Entry(("10.0.1.0/24", "cali+"))
    assert (SETS["both"].family, SETS["both"].dimensions) == (None, ("set",))
    assert parse_ipsets("", "nothing") == {}


def test_the_networks_that_a_set_names_are_told_where_it_is_one_of_networks() -> None:
    assert SETS["pods"].networks == (ip_network("10.0.0.0/8"),)
    assert [SETS[name].networks for name in ("ends", "both", "hosts")] == [(), (), ()]
    for text, named in {
        "172.7.20.0-172.7.22.255": ("172.7.20.0/23", "172.7.22.0/24"),
        "172.7.20.0-172.7.22.250": (),
        "10.0.0.1-10.0.0.5": (),
        "10.0.0.1": (),
        "10.0.0.9-10.0.0.1": (),
        "eth0-eth9": (),
        "fd07:20::-fd07:21:ffff:ffff:ffff:ffff:ffff:ffff": ("fd07:20::/31",),
    }.items():
        made = IpSet("one", ("net",), Family.IPV4, (Entry((text,)),))
        assert made.networks == tuple(map(ip_network, named)), text
    assert IpSet("bent", ("net",), Family.IPV4, (Entry(("10.0.0.0/8",)),), bent=True).networks == ()


@pytest.mark.parametrize("line", ["add nowhere 10.0.0.1", "create lonely", "destroy pods", "add pods"])
def test_what_it_does_not_print_is_refused_with_its_place(line: str) -> None:
    with pytest.raises(RulesetSyntaxError, match="saved, line 3, column 1") as caught:
        parse_ipsets(f"create pods hash:net family inet\n\n{line}", "saved")
    assert caught.value.hint == "Print the sets with: ipset save"


def test_the_narrower_entry_counts() -> None:
    inside, outside = parts("pods", "src")
    members = addresses("10.0.0.0/8") - addresses("10.1.0.0/16")
    assert inside == (WHOLE.having("source", members),)
    assert outside == (WHOLE.having("source", WHOLE.source - members),)
    again = "create it hash:net family inet\nadd it 10.0.0.0/8\nadd it 10.1.0.0/16 nomatch\nadd it 10.1.2.0/24"
    found = of(again, WHOLE.having("source", addresses("10.1.0.0/16")))
    assert found == (
        (WHOLE.having("source", addresses("10.1.2.0/24")),),
        (WHOLE.having("source", addresses("10.1.0.0/16") - addresses("10.1.2.0/24")),),
    )


def test_packets_that_are_all_inside_or_all_outside_stay_whole() -> None:
    near = WHOLE.having("destination", addresses("10.2.0.0/16"))
    far = WHOLE.having("destination", addresses("11.0.0.0/16"))
    assert parts("pods", "dst", packets=near) == ((near,), ())
    assert parts("pods", "dst", packets=far) == ((), (far,))


def test_ports_are_those_of_their_protocol() -> None:
    inside, outside = parts("ends", "dst", "dst", packets=tcp(WHOLE))
    at = tcp(WHOLE).having("destination", addresses("10.0.0.1/32"))
    assert inside == (
        at.having("destination_port", Intervals(((80, 81),))),
        at.having("destination_port", Intervals(((443, 443),))),
    )
    assert outside == (
        tcp(WHOLE).having("destination", WHOLE.destination - addresses("10.0.0.1/32")),
        at.having("destination_port", Intervals(((0, 79), (82, 442), (444, 65535)))),
    )
    udp = WHOLE.having("protocol", Intervals.single(17))
    assert parts("ends", "dst", "dst", packets=udp) == ((), (udp,))


def test_three_dimensions_each_with_its_direction() -> None:
    whole = everything(Family.IPV6)
    ((inside,), _) = parts("six", "dst", "src", "src", packets=whole)
    assert inside.destination == Intervals.networks([ip_network("fd00::1/128")])
    assert (inside.protocol, inside.source_port) == (Intervals.single(17), Intervals.single(53))
    assert inside.source.size == 2**64


def test_names_of_devices_are_met_by_the_direction() -> None:
    ((first, second), _) = parts("ways", "src", "dst")
    assert (first.out_interface, second.out_interface) == (Names("eth0"), Names("cali+"))
    by_entrance = WHOLE.having("in_interface", Names())
    ((first, _), _) = parts("ways", "src", "src", packets=by_entrance)
    assert first.in_interface == Names("eth0")
    assert by_set(WHOLE, SETS["ways"], ("src", "src"), SETS) is None, "nobody knows what -i meets there"


def test_a_list_asks_its_members_in_turn() -> None:
    inside, outside = parts("both", "src")
    hosts = Intervals.of([(0x0A010001, 0x0A010001), (0x0A010004, 0x0A010007)])
    members = addresses("10.0.0.0/8") - addresses("10.1.0.0/16")
    assert [each.source for each in inside] == [members, hosts]
    assert [each.source for each in outside] == [WHOLE.source - members - hosts]


def test_a_set_of_the_other_family_holds_nothing() -> None:
    whole = everything(Family.IPV6)
    assert parts("pods", "src", packets=whole) == ((), (whole,))


def test_an_empty_set_holds_nothing() -> None:
    assert of("create it hash:net family inet") == ((), (WHOLE,))
    assert of("create it hash:ip,port family inet") == ((), (WHOLE,))


@pytest.mark.parametrize(
    "text",
    [
        "create it hash:ip family inet netmask 24\nadd it 10.0.0.0",
        "create it hash:ip family inet\nadd it host.example",
        "create it hash:mac\nadd it 01:02:03:04:05:06",
        "create it bitmap:port range 1-100\nadd it 80",
        "create it hash:ip,port family inet\nadd it 10.0.0.1,icmp:8/0",
        "create it hash:ip,port family inet\nadd it 10.0.0.1,tcp:http",
        "create it hash:ip,port family inet\nadd it 10.0.0.1,tcp:80-http",
        "create it hash:ip,mark family inet\nadd it 10.0.0.1,0x1",
        "create it hash:net,net family inet\nadd it 10.0.0.0/8,11.0.0.0/8 nomatch",
        "create it hash:net,net family inet\nadd it 10.0.0.0/8",
        "create it hash:net,iface family inet\nadd it 10.0.0.0/8,physdev:eth0",
        "create it list:set\nadd it nobody",
        "create it list:set\nadd it it",
    ],
)
def test_what_is_not_modelled_stays_open(text: str) -> None:
    assert of(text) is None


def test_fewer_directions_than_dimensions_stay_open() -> None:
    assert by_set(WHOLE, SETS["ends"], ("dst",), SETS) is None


def test_a_set_that_would_be_hundreds_of_boxes_stays_open() -> None:
    entries = "\n".join(f"add it 10.0.{number}.1,tcp:{number + 1}" for number in range(200))
    assert of(f"create it hash:ip,port family inet\n{entries}") is None


@pytest.mark.parametrize("protocol", ["tcp", "6"])
def test_a_protocol_can_be_a_part_of_its_own(protocol: str) -> None:
    made = IpSet("it", ("net", "proto"), Family.IPV4, (Entry(("10.0.0.0/8", protocol)),))
    found = by_set(WHOLE, made, ("src", "src"), {})
    assert found is not None
    assert [(each.source, each.protocol) for each in found[0]] == [(addresses("10.0.0.0/8"), Intervals.single(6))]
    assert by_set(WHOLE, IpSet("it", ("proto",), None, (Entry(("any",)),)), ("src",), {}) is None
