"""The walk and the kernel agree: random tables, loaded for real, do to real packets what natfix says they do."""

import random
from collections.abc import Iterator

import pytest

from natfix.packets import Fate, walk
from natfix.ruleset import Family
from tests.kernel.wire import Wire, device_to, wire
from tests.netns import command, enter
from tests.property.interpreter import Datagram
from tests.property.rulesets import CHAINS, HOSTS, Nat, everything, holds, options, targets

pytestmark = pytest.mark.kernel("conntrack")

TABLES = 60
PACKETS = 12
EMPTY = "*nat\n:POSTROUTING ACCEPT [0:0]\nCOMMIT\n"
# What iptables refuses to load: a match that never matches, DROP among the targets of the nat table, IPv4's ICMP in IPv6.
REFUSED = {"! -s 0.0.0.0/0", "! -d 0.0.0.0/0", "! -s ::/0", "! -d ::/0", "! -o +"}


@pytest.fixture(scope="module")
def cables() -> Iterator[Wire]:
    with wire() as made:
        yield made


def random_table(chance: random.Random) -> Nat:
    nat = Nat(chance.choice(list(Family)), chance.choice(["ACCEPT", "ACCEPT", "DROP"]))
    words = [each for each in options(nat.family) if each not in REFUSED and (nat.family is Family.IPV4 or "icmp" not in each)]
    number = 0
    for place, name in enumerate(CHAINS):
        ends = [target for target in targets(nat.family, CHAINS[place + 1 :]) if target != "-j DROP"]
        nat.chains[name] = []
        for _ in range(chance.randint(0, 5)):
            number += 1
            nat.chains[name].append((number, " ".join([*_once_each(chance, words), chance.choice(ends)]).strip()))
    return nat


def _once_each(chance: random.Random, words: list[str]) -> list[str]:
    """Up to three options, none of them twice, as iptables takes -s, -p and the like once in a rule."""
    chosen: dict[str, str] = {}
    for option in chance.sample(words, chance.randint(0, 3)):
        chosen.setdefault(option.removeprefix("! ")[:2] if "mark" not in option else "mark", option)
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
        chance = random.Random(seed)  # noqa: S311 - the same tables every time.
        nat = random_table(chance)
        packets = random_packets(chance, nat.family)
        told = [fate_told(nat, packet) for packet in packets]
        seen = fates_on_the_wire(cables, backend, nat, packets, expected=PACKETS - told.count(Fate.DROP))
        met |= set(told)
        disagreements += [
            f"seed {seed}, {packet}: told {one}, seen {other}, in\n{nat.text}"
            for packet, one, other in zip(packets, told, seen, strict=True)
            if one is not other
        ]
    assert disagreements == []
    assert met == set(Fate)


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
    (outcome,) = (each for each in walk(nat.table, "POSTROUTING", everything(nat.family)) if holds(each.packets, packet))
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
