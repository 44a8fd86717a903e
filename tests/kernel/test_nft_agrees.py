"""The walk and the kernel agree about nft's own rules: random chains, loaded for real, read back from nft's own listing."""

import random
import re
from collections.abc import Iterator

import pytest

from natfix.nft import BaseChain, parse_nft
from natfix.packets import Fate, walk
from natfix.packets.bits import Bits
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
map roads {{ type ifname : verdict; elements = {{ "docker0" : continue, "eth1" : accept, * : goto three }}; }}
map sources {{ type {kind} : {kind}; flags interval; elements = {{ {1} : {6}, {3} : {7} }}; }}
map marks {{ type {kind} : mark; flags interval; elements = {{ {0} : 0x1, {1} : 0x6, * : 0x2 }}; }}
set seen {{ type {kind}; flags dynamic; size 2; elements = {{ {6} }}; }}
set slow {{ type {kind}; flags dynamic; size 100; }}
"""
# An address that no packet has, so that one rewritten to it is the reply to no other.
OWN = {Family.IPV4: "200.0.0.9", Family.IPV6: "9000::9"}
# Nobody knows whether a rule goes on behind these: too many connections, a set that is full, too many packets.
DOUBTS = (
    "ct count over 1000",
    "ct count 1000",
    "add @seen {{ {ip} saddr }}",
    "update @slow {{ {ip} saddr limit rate 1/second }}",
    "limit rate 1/hour",
    "{ip} saddr @seen",
)


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
        "ct direction original",
        f"meta protocol {ip}",
        "meta mark & 0x3 { 0x1, 0x2 }",
        "ct mark 0x0",
        "ct mark & 0x3 != 0x1",
        "meta mark & 0x5 != { 0x1, 0x4 }",
        'oifname . meta l4proto { "eth0" . tcp, "docker0" . udp }',
        'oifname . meta l4proto != { "eth0" . tcp }',
        f"{ip} daddr . tcp dport {{ {HOSTS[family][4]} . 80, {HOSTS[family][3]} . 443 }}",
        f"{ip} daddr . tcp dport != {{ {HOSTS[family][4]} . 80 }}",
        f"{ip} saddr . meta mark {{ {HOSTS[family][0]} . 0x1, {HOSTS[family][1]} . 0x2 }}",
    ]


def changes(family: Family) -> list[str]:
    ip, nets = IP[family], NETS[family]
    return [
        "meta mark set 0x5",
        "meta mark set meta mark or 0x4",
        "meta mark set meta mark xor 0x3",
        "meta mark set meta mark and 0x6",
        "meta mark set meta mark & 0x6 | 0x1",
        "meta mark set meta mark & 0xc ^ 0x5",
        f"meta mark set {ip} saddr map @marks",
        f"meta mark set {ip} daddr map {{ {nets[1]} : 0x1, {nets[3]} : 0x2 }}",
        'meta mark set oifname map { "eth0" : 0x3, * : 0x4 }',
        "ct mark set meta mark",
        "ct mark set meta mark & 0x3 | 0x4",
        "ct mark set ct mark or 0x2",
        "ct mark set 0x1",
        "meta mark set ct mark",
        "meta mark set ct mark & 0x6 ^ 0x1",
    ]


def translations(family: Family) -> list[str]:
    ip, nets, (first, second, *_) = IP[family], NETS[family], HOSTS[family]
    net, other = ("10.1.2.0/24", "10.9.2.0/24") if family is Family.IPV4 else ("fd00:1:2::/64", "fd00:9:2::/64")
    return [
        f"snat to {first}",
        f"snat to {ip} saddr map @sources",
        f"snat to {ip} daddr map {{ {nets[1]} : {OWN[family]}, {nets[3]} : {first} }}",
        f'snat to oifname map {{ "docker0" : {OWN[family]}, * : {first} }}',
        f"snat to {ip} saddr . {ip} daddr map {{ {second} . {HOSTS[family][4]} : {OWN[family]} }}",
        f"snat to meta mark map {{ 0x1 : {OWN[family]}, 0x5 : {first} }}",
        f"snat prefix to {ip} saddr map {{ {net} : {other} }}",
    ]


def verdict_map(chance: random.Random, family: Family, later: list[str]) -> str:
    """A map of a few keys, some with one for everything else, to verdicts of every kind."""
    ip, nets, hosts = IP[family], NETS[family], HOSTS[family]
    keys = {
        "oifname": ['"eth0"', '"docker0"', '"eth1"'],
        "meta mark": ["0x1", "0x2", "0x3", "0x5"],
        f"{ip} saddr": [nets[1], nets[3]],
        f"{ip} daddr": [nets[0], nets[3]],
        "meta l4proto": ["tcp", "udp"],
        f"{ip} daddr . oifname": [f'{hosts[4]} . "eth0"', f'{hosts[3]} . "docker0"'],
        f"{ip} daddr . tcp dport": [f"{hosts[4]} . 80", f"{hosts[3]} . 443"],
        "ct state": ["new", "established"],
    }
    key, values = chance.choice(list(keys.items()))
    chosen = [*chance.sample(values, chance.randint(1, len(values))), *(["*"] if chance.random() < 0.5 else [])]
    verdicts = ["accept", "drop", "return", "continue", *(f"{how} {name}" for name in later for how in ("jump", "goto"))]
    return f"{key} vmap {{ {', '.join(f'{each} : {chance.choice(verdicts)}' for each in chosen)} }}"


def end(chance: random.Random, family: Family, later: list[str]) -> str:
    """What a rule does behind its tests: one thing or several, with tests between them and a map of verdicts among them."""
    jumps = [f"{how} {name}" for name in later for how in ("jump", "jump", "goto")]
    named = ["oifname vmap @gates", "oifname vmap @roads"] if "three" in later else []
    verdicts = ["accept", "drop", "return", "continue", "masquerade", *jumps]
    final = chance.choice([*verdicts, *verdicts, "counter", "masquerade", *translations(family), *named])
    orders = [(), ("change",), ("map",), ("change", "test"), ("change", "map"), ("map", "change"), ("doubt",)]
    (order,) = chance.choices(orders, weights=[8, 6, 4, 3, 3, 2, 1])
    made = {
        "change": chance.choice(changes(family)),
        "test": " ".join(_of_one_protocol(chance, matches(family), most=1)),
        "map": verdict_map(chance, family, later),
        "doubt": chance.choice(DOUBTS).format(ip=IP[family]),
    }
    return " ".join([*(made[each] for each in order), final])


def random_rule(chance: random.Random, family: Family, later: list[str]) -> str:
    while True:
        made = f"{' '.join(_of_one_protocol(chance, matches(family)))} {end(chance, family, later)}"
        # Between the parts too nft refuses two protocols.
        if len(re.findall("[ds]port|l4proto [^.]", made)) < 2:
            return made


def random_ruleset(chance: random.Random, family: Family) -> str:
    hosts = HOSTS[family]
    kind = "ipv4_addr" if family is Family.IPV4 else "ipv6_addr"
    chains = {}
    for place, name in enumerate(["base", *CHAINS]):
        chains[name] = "\n".join(random_rule(chance, family, CHAINS[place:]) for _ in range(chance.randint(1, 5)))
    # A chain is declared before one that jumps to it, and before the map that names it.
    declared = [f"chain {name} {{\n{chains[name]}\n}}" for name in reversed(CHAINS)]
    policy = chance.choice(["accept", "accept", "drop"])
    base = f"chain base {{ type nat hook postrouting priority srcnat; policy {policy};\n{chains['base']}\n}}"
    table = chance.choice([IP[family], "inet"])
    sets = SETS.format(
        NETS[family][0], NETS[family][3], hosts[0], hosts[3], hosts[1], hosts[4], hosts[0], OWN[family], kind=kind
    )
    return f"table {table} fuzz {{\n{sets}{chr(10).join(declared)}\n{base}\n}}\n".replace("snat ", _snat(table, family))


def _snat(table: str, family: Family) -> str:
    return f"snat {IP[family]} " if table == "inet" else "snat "


def _of_one_protocol(chance: random.Random, words: list[str], most: int = 3) -> list[str]:
    """Up to three matches; nft refuses a rule of two protocols, and one that asks twice for the state."""
    chosen: dict[str, str] = {}
    for each in chance.sample(words, chance.randint(0, most)):
        asks = each.split()
        kind = "protocol" if {"tcp", "udp", "l4proto"} & set(asks) else "state" if asks[:2] == ["ct", "state"] else each
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
        met |= {fate for fates in told if len(fates) == 1 for fate in fates}
        disagreements += [
            f"seed {SEED + seed}, {packet}: told {one}, seen {other}, in\n{text}\n{translated(base)}"
            for packet, one, other in zip(packets, told, seen, strict=True)
            if other not in one
        ]
    assert disagreements == []
    assert met == set(Fate) - {Fate.DESTINATION_NAT}


def asked(cables: Wire, text: str, family: Family, packets: list[Datagram]) -> tuple[BaseChain, list[set[Fate]], list[Fate]]:
    """Load the rules, read them back, and see what becomes of the packets."""
    with enter(cables.near):
        command("nft", "-f", "-", data=text)
        try:
            listing = parse_nft(command("nft", "-j", "list", "ruleset").encode(), "the kernel")
            (base,) = (each for each in listing.of(family, "POSTROUTING") if each.origin.endswith(" fuzz"))
            told = fates_told(base, packets)
            command("conntrack", "-F")
            arrived = cables.send(packets, PACKETS - sum(Fate.DROP in fates for fates in told))
        finally:
            command("nft", "delete", "table", *text.split()[1:3])
    seen = [
        Fate.DROP if number not in arrived else Fate.ACCEPT if arrived[number] == packet.source else Fate.SOURCE_NAT
        for number, packet in enumerate(packets)
    ]
    return base, told, seen


def fates_told(base: BaseChain, packets: list[Datagram]) -> list[set[Fate]]:
    """What natfix says of each packet: one fate, or several where it says that it cannot tell."""
    coming = everything(base.table.family).having("state", frozenset({"NEW"})).having("connmark", Bits())
    outcomes = walk(base.table, base.chain, coming, ipsets=base.ipsets)
    told = [[each for each in outcomes if holds(each.packets, packet)] for packet in packets]
    assert all(len(each) == 1 or not any(outcome.certain for outcome in each) for each in told), told
    return [{outcome.fate for outcome in each} for each in told]


def translated(base: BaseChain) -> str:
    chains = [chain for name in base.table.declared if (chain := base.table.chain(name))]
    return "\n".join(f"{chain.name}: {rule.spec}" for chain in chains for rule in chain.rules)
