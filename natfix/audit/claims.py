"""What natfix says of the packets of a host's containers, as single packets that a kernel can be asked about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from natfix.audit.subject import Locality, Subject
from natfix.packets import Fate, Intervals, Names, Packet, PacketSet, witness
from natfix.packets.given import Given, given
from natfix.packets.sets import IpSets
from natfix.packets.trace import THROUGH, End, Place, follow, in_order, passed
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
        given: what the far side sees, where a rule names it; None where it depends on a device, or on nothing.
        rule: the rule that decides; None for a policy.
        doubts: words natfix cannot evaluate; with any, the claim is only possible.
    """

    packet: Packet
    fate: Fate
    given: Given | None = None
    rule: Rule | None = None
    doubts: tuple[str, ...] = ()


def claims(
    subjects: Sequence[Subject],
    tables: Sequence[tuple[str, Table]],
    *,
    native: Iterable[Place] = (),
    ipsets: IpSets | None = None,
) -> tuple[Claim, ...]:
    """Say for each kind of packet between the containers of the cluster what becomes of it.

    Args:
        subjects: whose container subnets, cluster and devices they are; of one family.
        tables: the tables of the family, each with its origin.
        native: chains of nft's own, which are asked by their priorities among those of the tables.
        ipsets: the host's sets.

    Returns:
        One claim for each part of the packets that the rules tell apart; those whose destination is rewritten are left out,
        as they end elsewhere.
    """
    places = in_order([*passed(tables, [way for way in THROUGH if way[0] in TABLES]), *native], THROUGH)
    here = Intervals.networks(network for each in _localities(subjects) for network in each[1].networks)
    found: dict[Packet, Claim] = {}
    for subject, locality in _localities(subjects):
        packets = subject.protected(locality)
        if packets is None:
            continue
        coming = packets.having("in_interface", Names(locality.bridge or _PODS))
        for end in follow(places, coming, ipsets=ipsets, steps=False).ends:
            for claim in _claimed(end, coming, locality, here, subject.devices):
                found.setdefault(claim.packet, claim)
    return tuple(found.values())


def _localities(subjects: Sequence[Subject]) -> list[tuple[Subject, Locality]]:
    """The container subnets, those that several tables speak of once."""
    found = {locality: subject for subject in reversed(subjects) for locality in reversed(subject.localities)}
    return [(subject, locality) for locality, subject in reversed(found.items())]


def _claimed(end: End, coming: PacketSet, locality: Locality, here: Intervals, devices: Iterable[str]) -> Iterator[Claim]:
    if not end.packets.destination <= coming.destination:
        return
    remote = end.packets.destination - here
    packets = end.packets.having("destination", remote) if remote else end.packets
    packet = replace(witness(packets, devices=(*devices, *_UPLINKS), near=locality.addresses), mark=0)
    named = given(end.rule, packet.source) if end.rule and end.fate is Fate.SOURCE_NAT else None
    yield Claim(packet, end.fate, named, end.rule, end.doubts)
