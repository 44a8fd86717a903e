"""The walk and the kernel agree about nft's own rules: random chains, loaded for real, read back from nft's own listing."""

import random
from collections.abc import Iterator

import pytest

from natfix.nft import BaseChain, parse_nft
from natfix.packets import Fate, walk
from natfix.ruleset import Family
from tests.kernel.test_walk_agrees import PACKETS, SEED, TABLES, random_packets
from tests.kernel.wire import Wire, wire
from tests.netns import command, enter
from tests.property.interpreter import Datagram
from tests.property.rulesets import HOSTS, everything, holds

pytestmark = pytest.mark.kernel("conntrack")

CHAINS = ["one", "two", "three"]
IP = {Family.IPV4: "ip", Family.IPV6: "ip6"}
NETS = {
    Family.IPV4: ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "11.0.0.0/8", "10.1.2.4-10.1.3.9"),
    Family.IPV6: ("fd00::/8", "fd00:1::/32", "fd00:1:2::3", "2001:db8::/32", "fd00:1:2::4-fd00:1:3::9"),
}
SETS = """\
set nets {{ type {kind}; flags interval; elements = {{ {0}, {1} }}; }}
set pairs {{ type {kind} . {kind}; elements = {{ {2} . {3}, {4} . {5} }}; }}
set ends {{ type {kind} . inet_proto . inet_service; elements = {{ {3} . tcp . 80, {5} . udp . 443 }}; }}
map gates {{ type ifname : verdict; elements = {{ "eth0" : jump three, "docker0" : return }}; }}
"""


@pytest.fixture(scope="module")
def cables() -> Iterator[Wire]:
    with wire() as made:
        yield made


def matches(family: Family) -> list[str]:
    ip, nets = IP[family], NETS[family]
    ends = [f"{ip} {end} {value}" for end in ("saddr", "daddr") for value in (*nets, f"!= {nets[0]}", f"!= {nets[4]}")]
    sets = [f"{ip} {end} {sign}{{ {nets[1]}, {nets[3]} }}" for end in ("saddr", "daddr") for sign in ("", "!= ")]
    return [
        *ends,
        *sets,
        f"{ip} saddr @nets",
        f"{ip} daddr != @nets",
        f"{ip} saddr . {ip} daddr @pairs",
        f"{ip} daddr . meta l4proto . th dport @ends",
        'oifname "eth0"',
        'oifname != { "docker0", "eth9" }',
        'oifname "eth*"',
        'oifname { "docker0", "eth1" }',
        "meta l4proto tcp",
        "meta l4proto { tcp, udp }",
        "tcp dport 80",
        "tcp dport != { 80, 443-445 }",
        "udp sport { 80, 1024-65535 }",
        "meta mark 0x1",
        "meta mark & 0x3 != 0x1",
        "meta mark { 0x1, 0x2 }",
        "meta mark != { 0x1, 0x4 }",
        "ct state new",
        "ct state related,established",
    ]


def ends(family: Family, later: list[str]) -> list[str]:
    snat = f"snat to {HOSTS[family][0]}"
    jumps = [f"{how} {name}" for name in later for how in ("jump", "jump", "goto")]
    changes = [
        "meta mark set 0x5",
        "meta mark set meta mark or 0x4",
        "meta mark set meta mark xor 0x3",
        "meta mark set meta mark and 0x6",
    ]
    maps = ["meta mark vmap { 0x1 : accept, 0x2 : return }", *(["oifname vmap @gates"] if "three" in later else [])]
    both = [f"{change} {verdict}" for change in changes[:2] for verdict in ("return", "accept", "masquerade", *jumps[:2])]
    return ["accept", "drop", "return", "continue", "counter", "masquerade", "masquerade", snat, *jumps, *changes, *maps, *both]


def random_ruleset(chance: random.Random, family: Family) -> str:
    hosts = HOSTS[family]
    kind = "ipv4_addr" if family is Family.IPV4 else "ipv6_addr"
    chains = {}
    for place, name in enumerate(["base", *CHAINS]):
        rules = [
            f"{' '.join(_of_one_protocol(chance, matches(family)))} {chance.choice(ends(family, CHAINS[place:]))}"
            for _ in range(chance.randint(1, 5))
        ]
        chains[name] = "\n".join(rules)
    # A chain is declared before one that jumps to it, and before the map that names it.
    declared = [f"chain {name} {{\n{chains[name]}\n}}" for name in reversed(CHAINS)]
    policy = chance.choice(["accept", "accept", "drop"])
    base = f"chain base {{ type nat hook postrouting priority srcnat; policy {policy};\n{chains['base']}\n}}"
    table = chance.choice([IP[family], "inet"])
    sets = SETS.format(NETS[family][0], NETS[family][3], hosts[0], hosts[3], hosts[1], hosts[4], kind=kind)
    return f"table {table} fuzz {{\n{sets}{chr(10).join(declared)}\n{base}\n}}\n".replace("snat to", _snat(table, family))


def _snat(table: str, family: Family) -> str:
    return f"snat {IP[family]} to" if table == "inet" else "snat to"


def _of_one_protocol(chance: random.Random, words: list[str]) -> list[str]:
    """Up to three matches; nft refuses a rule of two protocols, and one that asks twice for the state."""
    chosen: dict[str, str] = {}
    for each in chance.sample(words, chance.randint(0, 3)):
        first = each.split()[0]
        kind = "protocol" if first in {"tcp", "udp"} or "l4proto" in each else "state" if first == "ct" else each
        chosen.setdefault(kind, each)
    return list(chosen.values())


def test_packets_meet_the_fate_that_the_walk_tells_of_nfts_own_rules(cables: Wire) -> None:
    disagreements = []
    met = set()
    for seed in range(TABLES):
        chance = random.Random(SEED + seed)  # noqa: S311 - the same rules every time.
        family = chance.choice(list(Family))
        text = random_ruleset(chance, family)
        packets = random_packets(chance, family)
        base, told, seen = asked(cables, text, family, packets)
        met |= set(told)
        disagreements += [
            f"seed {SEED + seed}, {packet}: told {one}, seen {other}, in\n{text}\n{translated(base)}"
            for packet, one, other in zip(packets, told, seen, strict=True)
            if one is not other
        ]
    assert disagreements == []
    assert met == set(Fate) - {Fate.DESTINATION_NAT}


def asked(cables: Wire, text: str, family: Family, packets: list[Datagram]) -> tuple[BaseChain, list[Fate], list[Fate]]:
    """Load the rules, read them back, and see what becomes of the packets."""
    with enter(cables.near):
        command("nft", "-f", "-", data=text)
        try:
            listing = parse_nft(command("nft", "-j", "list", "ruleset").encode(), "the kernel")
            (base,) = (each for each in listing.of(family, "POSTROUTING") if each.origin.endswith(" fuzz"))
            told = [fate_told(base, packet) for packet in packets]
            command("conntrack", "-F")
            arrived = cables.send(packets, PACKETS - told.count(Fate.DROP))
        finally:
            command("nft", "delete", "table", *text.split()[1:3])
    seen = [
        Fate.DROP if number not in arrived else Fate.ACCEPT if arrived[number] == packet.source else Fate.SOURCE_NAT
        for number, packet in enumerate(packets)
    ]
    return base, told, seen


def fate_told(base: BaseChain, packet: Datagram) -> Fate:
    """What natfix says of one packet."""
    family = base.table.family
    coming = everything(family).having("state", frozenset({"NEW"}))
    outcomes = walk(base.table, base.chain, coming, ipsets=base.ipsets)
    (outcome,) = (each for each in outcomes if holds(each.packets, packet))
    assert outcome.certain, outcome.unknown
    return outcome.fate


def translated(base: BaseChain) -> str:
    chains = [chain for name in base.table.declared if (chain := base.table.chain(name))]
    return "\n".join(f"{chain.name}: {rule.spec}" for chain in chains for rule in chain.rules)
