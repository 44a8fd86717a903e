"""What natfix says of the packets of a host's containers, as single packets that a kernel can be asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from natfix.audit.subject import Locality, Subject
from natfix.packets import Fate, Names, Packet, PacketSet, witness
from natfix.packets.ipset import IpSets
from natfix.packets.trace import THROUGH, End, follow, passed
from natfix.ruleset import Rule, Table

# What decides about addresses; the tables filter and security only let packets through or not.
TABLES: Final = ("raw", "mangle", "nat")
_UPLINKS: Final = ("eth0", "ens3", "enp1s0")
_PODS: Final = "pods"


@dataclass(frozen=True, slots=True)
class Claim:
    """One packet, and what natfix says becomes of it.

    Attributes:
        packet: from a container subnet to the rest of the cluster, with the devices it comes in and leaves by.
        fate: ACCEPT (it keeps its source), SOURCE_NAT or DROP.
        source: what the far side sees, where a rule names one address; empty where it depends on a device, or on nothing.
        rule: the rule that decides; None for a policy.
        doubts: words natfix cannot evaluate; with any, the claim is only possible.
    """

    packet: Packet
    fate: Fate
    source: str = ""
    rule: Rule | None = None
    doubts: tuple[str, ...] = ()


def claims(subject: Subject, tables: Sequence[tuple[str, Table]], *, ipsets: IpSets | None = None) -> tuple[Claim, ...]:
    """Say for each kind of packet between the containers of the cluster what becomes of it.

    Args:
        subject: whose container subnets, cluster and devices they are.
        tables: the tables of the family, each with its origin.
        ipsets: the host's sets.

    Returns:
        One claim for each part of the packets that the rules tell apart; those whose destination is rewritten are left out,
        as they end elsewhere.
    """
    places = tuple(passed(tables, [way for way in THROUGH if way[0] in TABLES]))
    found: dict[Packet, Claim] = {}
    for locality in subject.localities:
        packets = subject.protected(locality)
        if packets is None:
            continue
        coming = packets.having("in_interface", Names(locality.bridge or _PODS))
        for end in follow(places, coming, ipsets=ipsets).ends:
            for claim in _claimed(end, coming, locality, subject):
                found.setdefault(claim.packet, claim)
    return tuple(found.values())


def _claimed(end: End, coming: PacketSet, locality: Locality, subject: Subject) -> Iterator[Claim]:
    if not end.packets.destination <= coming.destination:
        return
    remote = end.packets.destination - subject.local_addresses
    packets = end.packets.having("destination", remote) if remote else end.packets
    packet = replace(witness(packets, devices=(*subject.devices, *_UPLINKS), near=locality.addresses), mark=0)
    yield Claim(packet, end.fate, _named(end.rule), end.rule, end.doubts)


def _named(rule: Rule | None) -> str:
    """The one address that a rule gives; a range, a network or a device's address is none."""
    option = rule.option("to-source", "SNAT") if rule else None
    text = option.value if option else ""
    return text if text and not set("-[") & set(text) and text.count(":") != 1 else ""
