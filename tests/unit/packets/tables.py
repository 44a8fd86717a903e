"""Short ways to write tables and packets in tests."""

from ipaddress import ip_network

from natfix.packets import Intervals, PacketSet
from natfix.packets.packetset import every_address
from natfix.ruleset import Family, Option, Rule, Table, parse


def addresses(*networks: str) -> Intervals:
    return Intervals.networks([ip_network(text) for text in networks])


def everything(family: Family = Family.IPV4) -> PacketSet:
    return PacketSet(family, every_address(family), every_address(family))


def tcp(packets: PacketSet) -> PacketSet:
    return packets.having("protocol", Intervals.single(6))


def option(words: str) -> Option:
    """The last option of a rule."""
    return Rule("POSTROUTING", words).options[-1]


def nat(*lines: str, policy: str = "ACCEPT", family: Family = Family.IPV4) -> Table:
    """A nat table; ``-j X`` is a rule of POSTROUTING, ``A: -j X`` one of the chain A, ``A:`` declares A."""
    parted = [line.split(": ", 1) if ": " in line else ["POSTROUTING", line] for line in lines if line[-1] != ":"]
    chains = dict.fromkeys([*(chain for chain, _ in parted), *(line[:-1] for line in lines if line[-1] == ":")])
    chains.pop("POSTROUTING", None)
    declared = [f":POSTROUTING {policy} [0:0]", *(f":{chain} - [0:0]" for chain in chains)]
    rules = [f"-A {chain} {spec}" for chain, spec in parted]
    text = "\n".join(["*nat", *declared, *rules, "COMMIT", ""])
    table = parse(text.encode(), "rules.v4", family).table("nat", family)
    assert table is not None
    return table
