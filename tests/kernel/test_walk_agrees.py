"""The walk and the kernel agree: random tables, loaded for real, do to real packets what natfix says they do."""

import os
import random
from collections.abc import Iterator

import pytest

from natfix.packets import Fate, walk
from natfix.packets.ipset import parse_ipsets
from natfix.ruleset import Family
from tests.kernel.wire import Wire, device_to, wire
from tests.netns import command, enter
from tests.property.interpreter import Datagram
from tests.property.rulesets import CHAINS, HOSTS, Nat, everything, holds, options, targets

pytestmark = pytest.mark.kernel("conntrack")

# `make fuzz-kernel` asks for many more, from another seed on.
TABLES = int(os.environ.get("NATFIX_FUZZ_TABLES", "42"))
SEED = int(os.environ.get("NATFIX_FUZZ_SEED", "0"))
PACKETS = 12
EMPTY = "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
# What iptables refuses to load: a match that never matches, DROP among the targets of the nat table, IPv4's ICMP in IPv6.
REFUSED = {"! -s 0.0.0.0/0", "! -d 0.0.0.0/0", "! -s ::/0", "! -d ::/0", "! -o +"}
# ipset(8): a net in a net that is none of it, addresses with ports, with a third part, nets by device, and a list.
SETS = {
    Family.IPV4: """\
create nets4 hash:net family inet
add nets4 10.0.0.0/8
add nets4 10.1.0.0/16 nomatch
add nets4 10.1.2.0/24
create ends4 hash:ip,port family inet
add ends4 11.0.0.1,tcp:80
add ends4 11.0.0.1,udp:1024-1030
add ends4 10.2.0.1,tcp:443
create ways4 hash:net,iface family inet
add ways4 10.1.0.0/16,eth0
add ways4 11.0.0.0/8,docker0
create trios4 hash:ip,port,net family inet
add trios4 11.0.0.1,tcp:80,10.1.2.0/24
add trios4 11.0.0.1,udp:443,10.1.0.0/16
create hosts4 hash:ip family inet
add hosts4 200.0.0.1
create all4 list:set
add all4 nets4
add all4 hosts4
""",
    Family.IPV6: """\
create nets6 hash:net family inet6
add nets6 fd00::/16
add nets6 fd00:1::/32 nomatch
create ends6 hash:ip,port family inet6
add ends6 2001:db8::1,tcp:80
add ends6 fd00:2::1,udp:443
create ways6 hash:net,iface family inet6
add ways6 fd00:1::/32,eth0
create trios6 hash:ip,port,net family inet6
add trios6 2001:db8::1,tcp:443,fd00:1:2::/48
create hosts6 hash:ip family inet6
add hosts6 9000::1
create all6 list:set
add all6 nets6
add all6 hosts6
""",
}
KNOWN_SETS = parse_ipsets("".join(SETS.values()), "sets")
DIRECTIONS = {
    "nets": ("src", "dst"),
    "ends": ("dst,dst",),
    "ways": ("src,dst", "dst,dst"),
    "trios": ("dst,dst,src",),
    "all": ("src", "dst"),
}
RANGES = {
    Family.IPV4: ("--src-range 10.1.2.4-10.1.3.9", "--dst-range 10.2.0.0-11.0.0.1", "--dst-range 10.2.0.1"),
    Family.IPV6: ("--src-range fd00:1:2::4-fd00:1:3::9", "--dst-range fd00:2::-2001:db8::1"),
}


@pytest.fixture(scope="module")
def cables() -> Iterator[Wire]:
    with wire() as made:
        with enter(made.near):
            command("ipset", "restore", data="".join(SETS.values()))
        yield made


def random_table(chance: random.Random) -> Nat:
    nat = Nat(chance.choice(list(Family)), chance.choice(["ACCEPT", "ACCEPT", "DROP"]))
    words = [each for each in options(nat.family) if each not in REFUSED and (nat.family is Family.IPV4 or "icmp" not in each)]
    words += further_options(nat.family)
    number = 0
    for place, name in enumerate(CHAINS):
        ends = [target for target in targets(nat.family, CHAINS[place + 1 :]) if target != "-j DROP"]
        nat.chains[name] = []
        for _ in range(chance.randint(0, 5)):
            number += 1
            nat.chains[name].append((number, " ".join([*_once_each(chance, words), chance.choice(ends)]).strip()))
    return nat


def further_options(family: Family) -> list[str]:
    """Matches that the interpreter of the property tests does not know: sets, ranges, the state of the connection."""
    sets = [
        ("set", f"--match-set {name}{family.value} {each}") for name, directions in DIRECTIONS.items() for each in directions
    ]
    ranges = [("iprange", each) for each in RANGES[family]]
    states = [("conntrack", "--ctstate NEW"), ("conntrack", "--ctstate RELATED,ESTABLISHED")]
    return [f"-m {name} {sign}{words}" for name, words in (*sets, *ranges, *states) for sign in ("", "! ")]


def _once_each(chance: random.Random, words: list[str]) -> list[str]:
    """Up to three options, none of them twice, as iptables takes -s, -p and the like once in a rule."""
    chosen: dict[str, str] = {}
    for option in chance.sample(words, chance.randint(0, 3)):
        # A match of its own may stand beside any other; -p is one of the options that may not.
        words = option.replace("! ", "").split()
        chosen.setdefault(words[1] if words[0] == "-m" else words[0], option)
    return list(chosen.values())


def random_packets(chance: random.Random, family: Family) -> list[Datagram]:
    """Packets of which none belongs to the connection of another, in either direction."""
    protocols = ["tcp", "udp", "icmp"] if family is Family.IPV4 else ["tcp", "udp"]
    packets: dict[tuple[str, frozenset[tuple[str, int]]], Datagram] = {}
    while len(packets) < PACKETS:
        source = chance.choice(HOSTS[family][:-1])
        # The first host is what SNAT maps to; a packet to it would be a reply.
        destination = chance.choice([host for host in HOSTS[family][1:-1] if host != source])
        protocol = chance.choice(protocols)
        ports = [chance.choice([80, 443, 444, 1023, 1024, 65535]) for _ in "12"]
        packet = Datagram(source, destination, device_to(destination), protocol, ports[0], ports[1], chance.randrange(16))
        ends = frozenset({(source, ports[0]), (destination, ports[1])})
        packets.setdefault((protocol, ends), packet)
    return list(packets.values())


@pytest.mark.parametrize("backend", ["nft", "legacy"])
def test_packets_meet_the_fate_that_the_walk_tells(cables: Wire, backend: str) -> None:
    disagreements = []
    met = set()
    for seed in range(TABLES):
        chance = random.Random(SEED + seed)  # noqa: S311 - the same tables every time.
        nat = random_table(chance)
        packets = random_packets(chance, nat.family)
        told = [fate_told(nat, packet) for packet in packets]
        seen = fates_on_the_wire(cables, backend, nat, packets, expected=PACKETS - told.count(Fate.DROP))
        met |= set(told)
        disagreements += [
            f"seed {SEED + seed}, {packet}: told {one}, seen {other}, in\n{nat.text}"
            for packet, one, other in zip(packets, told, seen, strict=True)
            if one is not other
        ]
    assert disagreements == []
    assert met == set(Fate) - {Fate.DESTINATION_NAT}


def fates_on_the_wire(cables: Wire, backend: str, nat: Nat, packets: list[Datagram], *, expected: int) -> list[Fate]:
    """Load the table and see what becomes of the packets."""
    prefix = "iptables" if nat.family is Family.IPV4 else "ip6tables"
    with enter(cables.near):
        command(f"{prefix}-{backend}-restore", data=nat.text)
        command("conntrack", "-F")
        try:
            arrived = cables.send(packets, expected)
        finally:
            command(f"{prefix}-{backend}-restore", data=EMPTY)
    return [
        Fate.DROP if number not in arrived else Fate.ACCEPT if arrived[number] == packet.source else Fate.SOURCE_NAT
        for number, packet in enumerate(packets)
    ]


def fate_told(nat: Nat, packet: Datagram) -> Fate:
    """What natfix says of one packet."""
    coming = everything(nat.family).having("state", frozenset({"NEW"}))
    outcomes = walk(nat.table, "POSTROUTING", coming, ipsets=KNOWN_SETS)
    (outcome,) = (each for each in outcomes if holds(each.packets, packet))
    assert outcome.certain
    return outcome.fate


def test_the_wire_shows_addresses_as_they_arrive(cables: Wire) -> None:
    packets = [
        Datagram("10.1.2.3", "11.0.0.1", "eth0", "tcp", 1024, 80, 0),
        Datagram("10.1.2.3", "10.2.0.1", "docker0", "udp", 1024, 80, 0),
        Datagram("fd00:1:2::3", "2001:db8::1", "eth0", "udp", 1024, 80, 0),
        Datagram("10.1.2.3", "11.0.0.1", "eth0", "icmp", 1024, 80, 0),
    ]
    with enter(cables.near):
        command("conntrack", "-F")
        rule = "*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o docker0 -j MASQUERADE\nCOMMIT\n"
        command("iptables-nft-restore", data=rule)
        arrived = cables.send(packets, len(packets))
        command("iptables-nft-restore", data=EMPTY)
    assert arrived == {0: "10.1.2.3", 1: "198.51.100.1", 2: "fd00:1:2::3", 3: "10.1.2.3"}
