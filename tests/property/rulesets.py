"""Random nat tables of every shape that can be walked, and random packets that their rules tell apart."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from ipaddress import ip_address

from hypothesis import strategies as st

from natfix.packets import Intervals, PacketSet
from natfix.packets.bits import Bits
from natfix.packets.packetset import PROTOCOLS, every_address
from natfix.ruleset import Family, Table, parse
from tests.property.interpreter import Datagram

NETWORKS = {
    Family.IPV4: ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32", "11.0.0.0/8", "128.0.0.0/1"],
    Family.IPV6: ["::/0", "fd00::/8", "fd00:1::/32", "fd00:1:2::/48", "fd00:1:2::3/128", "2001:db8::/32", "8000::/1"],
}
HOSTS = {
    Family.IPV4: ["10.1.2.3", "10.1.2.4", "10.1.3.1", "10.2.0.1", "11.0.0.1", "200.0.0.1", "1.1.1.1"],
    Family.IPV6: ["fd00:1:2::3", "fd00:1:2::4", "fd00:1:3::1", "fd00:2::1", "2001:db8::1", "9000::1", "::1"],
}
CHAINS = ["POSTROUTING", "A", "B", "C", "D"]
MARKS = ["0x0/0x1", "0x1/0x1", "0x2/0x3", "0x4/0x4", "0x0/0x0", "0x5/0xffffffff", "0x8/0x1"]
CHANGES = ["0x1/0x1", "0x4/0x0", "0x0/0xffffffff", "0x5/0xffffffff", "0x3/0x1", "0x0/0x6"]
PORTS = ["80", "80,443", "0:1023", "1024:65535", "80:81,443:500"]
UNKNOWN = "-m set --match-set odd src"


@dataclass
class Nat:
    """A nat table as text and as what the interpreter reads."""

    family: Family
    policy: str
    chains: dict[str, list[tuple[int, str]]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The table as iptables-save prints it."""
        declared = [f":{name} {self.policy if name == 'POSTROUTING' else '-'} [0:0]" for name in self.chains]
        rules = [f"-A {name} {spec}" for name, specs in self.chains.items() for _, spec in specs]
        return "\n".join(["*nat", *declared, *rules, "COMMIT", ""])

    @property
    def table(self) -> Table:
        """The table as natfix reads it."""
        table = parse(self.text.encode(), "rules", self.family).table("nat", self.family)
        assert table is not None
        return table

    @property
    def unknown(self) -> list[int]:
        """The numbers of the rules with a match that natfix cannot evaluate."""
        return [number for specs in self.chains.values() for number, spec in specs if UNKNOWN in spec]


def options(family: Family) -> list[str]:
    """Every option of a rule that natfix can evaluate, plain and negated; flat, as drawing from few lists is fast."""
    values = {
        "-s": NETWORKS[family],
        "-d": NETWORKS[family],
        "-o": ["eth0", "eth+", "docker0", "+", "eth1", "cali+"],
        "-p": ["tcp", "udp", "icmp"],
        "-m mark --mark": MARKS,
        "-p tcp -m tcp --dport": ["80", "0:1023"],
        "-p udp -m udp --sport": ["80", "1024:65535"],
        "-p tcp -m multiport --dports": PORTS,
        "-p udp -m multiport --sports": PORTS,
        "-p tcp -m multiport --ports": PORTS,
    }
    pairs = [(*name.rpartition(" "), value) for name, each in values.items() for value in each]
    plain = [f"{before}{blank}{name} {value}" for before, blank, name, value in pairs]
    return plain + [f"{before}{blank}! {name} {value}" for before, blank, name, value in pairs]


def targets(family: Family, later: list[str]) -> list[str]:
    """Every target of a rule, among them the chains that stand *later*."""
    ends = ["ACCEPT", "DROP", "RETURN", "MASQUERADE", "LOG", f"SNAT --to-source {HOSTS[family][0]}"]
    marks = [f"MARK --set-xmark {change}" for change in CHANGES]
    jumps = [f"{how} {name}" for name in later for how in ("-j", "-j", "-g")]
    return ["", *jumps, *(f"-j {target}" for target in (*ends, *marks))]


@functools.cache
def rules(family: Family, place: int, *, unknown: bool) -> st.SearchStrategy[list[str]]:
    """A few rules for the chain at *place*."""
    doubtful = [UNKNOWN] * (20 if unknown else 0)
    some = st.lists(st.sampled_from(options(family) + doubtful), max_size=3).filter(_are_of_one_protocol)
    target = st.sampled_from(targets(family, CHAINS[place + 1 :]))
    return st.lists(st.builds(lambda words, end: " ".join([*words, end]).strip(), some, target), max_size=4)


def _are_of_one_protocol(words: list[str]) -> bool:
    return sum("-p " in word for word in words) <= 1


@st.composite
def nat_tables(draw: st.DrawFn, *, unknown: bool = False) -> Nat:
    """A nat table whose chains call only later ones."""
    nat = Nat(draw(st.sampled_from(Family)), draw(st.sampled_from(["ACCEPT", "ACCEPT", "DROP"])))
    numbers = itertools.count(1)
    for place, name in enumerate(CHAINS):
        specs = draw(rules(nat.family, place, unknown=unknown))
        nat.chains[name] = [(next(numbers), spec) for spec in specs]
    return nat


def datagrams(family: Family) -> st.SearchStrategy[Datagram]:
    host = st.sampled_from(HOSTS[family])
    port = st.sampled_from([0, 80, 443, 444, 1023, 1024, 65535])
    return st.builds(
        Datagram,
        source=host,
        destination=host,
        out_interface=st.sampled_from(["eth0", "eth1", "eth", "docker0", "cali7", "lo"]),
        protocol=st.sampled_from(["tcp", "udp", "icmp", "gre"]),
        source_port=port,
        destination_port=port,
        mark=st.integers(0, 15) | st.just(0x4000),
    )


def everything(family: Family) -> PacketSet:
    """Every packet with every mark."""
    return PacketSet(family, every_address(family), every_address(family), mark=Bits(0, 0))


def holds(packets: PacketSet, packet: Datagram) -> bool:
    """Whether a concrete packet is in a set."""
    number = PROTOCOLS[packet.protocol]
    return (
        _holds(packets.source, packet.source)
        and _holds(packets.destination, packet.destination)
        and packet.out_interface in packets.out_interface
        and number in packets.protocol
        and packet.source_port in packets.source_port
        and packet.destination_port in packets.destination_port
        and packet.mark in packets.mark
    )


def _holds(some: Intervals, address: str) -> bool:
    return int(ip_address(address)) in some
