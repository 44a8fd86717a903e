"""The walk and the kernel agree about whole hosts: random tables of iptables and of nft, packets forwarded through them all.

What real actors write is among it: marks set before they are asked for, connections that are not tracked, address types,
ranges, networks mapped to networks, and tables of nft before, beside and after those of iptables.
"""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import pytest

from natfix.app.ports import Backend, Variant
from natfix.app.prove_cases import NativeTables, native_tables
from natfix.app.prove_ports import Trial
from natfix.host.judge.kernel import KernelJudge
from natfix.nft.trial import loadable
from natfix.packets import Fate, Packet
from natfix.packets.trace import THROUGH, End, follow, in_order, passed
from natfix.report.chart import packets_like
from natfix.ruleset import Family, parse
from tests.kernel.test_nft_agrees import random_ruleset
from tests.kernel.test_walk_agrees import KNOWN_SETS, SEED, SETS, TABLES, random_table
from tests.netns import command, namespace
from tests.property.rulesets import HOSTS, NETWORKS

pytestmark = pytest.mark.kernel("nft", "ipset")

PACKETS = 12
PRIORITIES = ("srcnat - 10", "srcnat", "srcnat", "srcnat + 10")
DEVICES = ("docker0", "eth1")
# None of them is an end of a packet.
ADDRESSES = {name: (f"192.0.2.{number}/32", f"fd99::{number}/128") for number, name in enumerate(("eth0", *DEVICES), 1)}
# Before the packets are routed: who marks them, and whose connections nobody tracks.
MARKING = (
    "-i docker0 -j MARK --set-xmark 0x4/0x4",
    "-i eth+ -j MARK --set-xmark 0x1/0xffffffff",
    "! -i docker0 -j MARK --set-xmark 0x2/0x0",
    "-p tcp -m tcp --dport 80 -j MARK --or-mark 0x1",
    "-p udp -j MARK --and-mark 0x6",
    "-m mark --mark 0x4/0x4 -j MARK --xor-mark 0x3",
    "-m mark ! --mark 0x1/0x1 -j RETURN",
    "-m addrtype --dst-type LOCAL -j MARK --set-xmark 0x7/0xffffffff",
    "-j CONNMARK --save-mark",
    "-m connmark --mark 0x1/0x1 -j MARK --set-xmark 0x2/0x2",
    "-j CONNMARK --set-xmark 0x6/0x7",
    "-p udp -j CONNMARK --xor-mark 0x5",
    "-p tcp -j CONNMARK --restore-mark --nfmask 0x3 --ctmask 0x7",
    "-m connmark ! --mark 0x2/0x2 -j CONNMARK --restore-mark",
    "-i docker0 -j CONNMARK --save-mark --nfmask 0x5 --ctmask 0x6",
)
# Before connections are tracked, which have no mark then.
EARLY = ("-j CONNMARK --set-xmark 0x7/0x7", "-j CONNMARK --restore-mark", "-p udp -j MARK --set-xmark 0x5/0x5")
UNTRACKED = ("-p udp -m udp --dport 443 -j CT --notrack", "-i eth1 -p tcp -m multiport --dports 443,444 -j CT --notrack")
NETS = {Family.IPV4: ("10.9.0.0/16", "10.1.2.0/24"), Family.IPV6: ("fd09::/32", "fd00:1:2::/48")}
RANGES = {Family.IPV4: "10.1.2.3-10.1.2.9", Family.IPV6: "fd00:1:2::3-fd00:1:2::9"}


def actors(family: Family) -> tuple[str, ...]:
    """Rules in the form in which programs write them, for POSTROUTING."""
    far, near = NETS[family]
    net = NETWORKS[family][3]
    return (
        '-m comment --comment "of kube-proxy" -m mark ! --mark 0x4/0x4 -j RETURN',
        "-m mark --mark 0x4/0x4 -j MASQUERADE --random-fully",
        "-j MARK --set-xmark 0x4/0x0",
        "-j CONNMARK --restore-mark",
        "-m connmark --mark 0x4/0x4 -j MASQUERADE",
        f"-s {net} ! -o docker0 -j MASQUERADE",
        f"-s {net} ! -d {net} -p tcp -j MASQUERADE --to-ports 1024-65535",
        f"! -d {net} -m addrtype ! --dst-type LOCAL -j MASQUERADE",
        "-m addrtype --src-type LOCAL -j MASQUERADE",
        "-m addrtype ! --src-type UNICAST -j MASQUERADE",
        f"-o eth0 -j NETMAP --to {far}",
        f"-s {near} -j NETMAP --to {near}",
        f"-o eth0 -p tcp -j SNAT --to-source {RANGES[family]}",
        f"-p udp -j SNAT --to-source {HOSTS[family][0]} --random-fully",
        f"-p tcp -j SNAT --to-source {':4000-5000' if family is Family.IPV4 else RANGES[family]}",
    )


@dataclass(frozen=True)
class Ruleset:
    """A host's rules.

    Attributes:
        family: of its packets.
        text: what iptables-restore loads.
        native: what nft loads.
    """

    family: Family
    text: str
    native: str


def random_host(chance: random.Random, priorities: Sequence[str] = PRIORITIES) -> Ruleset:
    nat = random_table(chance)
    postrouting = nat.chains["POSTROUTING"]
    for number, rule in enumerate(chance.sample(actors(nat.family), chance.randint(1, 4))):
        postrouting.insert(chance.randint(0, len(postrouting)), (1000 + number, rule))
    some = chance.sample(MARKING, chance.randint(0, 6))
    mangle = _table("mangle", some) if some else ""
    raw = (
        _table("raw", [chance.choice(UNTRACKED), *chance.sample(EARLY, chance.randint(0, 1))]) if chance.random() < 0.4 else ""
    )
    tables = [_native(chance, nat.family, name, priorities) for name in chance.sample(("one", "two"), chance.randint(0, 2))]
    return Ruleset(nat.family, f"{raw}{mangle}{nat.text}", "".join(tables))


def _native(chance: random.Random, family: Family, name: str, priorities: Sequence[str]) -> str:
    text = random_ruleset(chance, family).replace("priority srcnat", f"priority {chance.choice(priorities)}")
    return text.replace(" fuzz ", f" {name} ")


def _table(name: str, rules: Sequence[str]) -> str:
    return "\n".join([f"*{name}", ":PREROUTING ACCEPT [0:0]", *(f"-A PREROUTING {rule}" for rule in rules), "COMMIT", ""])


def random_packets(chance: random.Random, family: Family) -> tuple[Packet, ...]:
    found = []
    for _ in range(PACKETS):
        source, destination = chance.sample(HOSTS[family][:-1], 2)
        protocol = chance.choice(["tcp", "udp"])
        ports = [chance.choice([80, 443, 444, 1024, 65535]) for _ in "12"]
        way = chance.choice(DEVICES)
        out = chance.choice([each for each in ("eth0", *DEVICES) if each != way])
        found.append(Packet(ip_address(source), ip_address(destination), out, protocol, ports[0], ports[1], in_interface=way))
    return tuple(found)


def listed(text: str) -> NativeTables:
    """The tables as nft lists them, in a namespace made for that."""
    if not text:
        return NativeTables()
    with namespace("listing") as place:
        command("ip", "netns", "exec", place, "nft", "-f", "-", data=text)
        listing = command("ip", "netns", "exec", place, "nft", "-j", "list", "ruleset")
    assert json.loads(listing)["nftables"]
    return native_tables([(listing.encode(), "nft")])


def told(host: Ruleset, native: NativeTables, packet: Packet) -> tuple[End, ...]:
    """What natfix says of one packet: one end, or several of which one is met."""
    tables = [("host", table) for table in parse(host.text.encode(), "host", host.family).tables]
    own = [base.place for base in native.ruleset.chains if base.table.family is host.family]
    places = in_order([*passed(tables, THROUGH), *own], THROUGH)
    ends = follow(places, packets_like(packet, host.family), ipsets=KNOWN_SETS).ends
    # Where nothing is in doubt one packet comes to one end; else each end is a doubtful one.
    assert len(ends) == 1 or all(end.doubts for end in ends)
    return ends


def fate_seen(packet: Packet, seen: str | None) -> Fate:
    return Fate.DROP if seen is None else Fate.ACCEPT if seen == str(packet.source) else Fate.SOURCE_NAT


@pytest.mark.parametrize("variant", ["nft", "legacy"])
def test_packets_through_all_tables_of_a_host_meet_the_fate_that_the_walk_tells(variant: Variant) -> None:
    disagreements, met, sure = [], set(), 0
    for seed in range(TABLES // 4):
        chance = random.Random(SEED + seed)  # noqa: S311 - the same hosts every time.
        host = random_host(chance)
        packets, native = random_packets(chance, host.family), listed(host.native)
        told_of = [told(host, native, packet) for packet in packets]
        sets, own = "".join(SETS.values()), loadable(native.objects)
        trial = Trial(Backend(host.family, variant), host.text, packets, ADDRESSES, sets, own)
        for packet, ends, seen in zip(packets, told_of, KernelJudge().judge(trial), strict=True):
            fates = {end.fate for end in ends}
            if not any(end.doubts for end in ends):
                sure += 1
                met |= fates
            if fate_seen(packet, seen) not in fates:
                rules = [str(end.rule) for end in ends]
                disagreements.append(
                    f"seed {SEED + seed}, {packet}: told {fates} by {rules}, seen {seen}, in\n{host.text}\n{host.native}"
                )
    assert disagreements == []
    assert met == set(Fate) - {Fate.DESTINATION_NAT}
    assert sure > TABLES // 4 * PACKETS * 2 // 3
