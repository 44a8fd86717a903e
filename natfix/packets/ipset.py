"""ipsets as ``ipset save`` prints them, and which packets are in one.

Sources: ipset(8); net/netfilter/ipset/ip_set_core.c (ip_set_test), ip_set_hash_gen.h (nomatch), ip_set_getport.c.
What a set holds is what it held when it was listed; entries that time out count as there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, summarize_address_range
from typing import TypeAlias

from natfix.errors import RulesetSyntaxError
from natfix.packets.intervals import Intervals
from natfix.packets.packetset import PORTED, PROTOCOLS, PacketSet
from natfix.packets.sets import IpSets
from natfix.ruleset import Family, Network, parse_network

Parts: TypeAlias = tuple[tuple[PacketSet, ...], tuple[PacketSet, ...]]

_MOST_BOXES = 256
# Addresses of a network that is one of containers, and not some hosts in a row.
_FEWEST = 16
# Options of a set that change what an entry means, so that natfix does not read it.
_BENDING = frozenset({"netmask", "bitmask"})
_ADDRESSES = frozenset({"ip", "net"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of a set.

    Attributes:
        values: for each dimension of the set its part: ``10.0.0.0/24``, ``tcp:80``, ``eth0``, or the name of a member set.
        nomatch: whether it takes away what a wider entry holds.
    """

    values: tuple[str, ...]
    nomatch: bool = False


@dataclass(frozen=True, slots=True)
class IpSet:
    """One set.

    Attributes:
        name: as rules call it.
        dimensions: what an entry is made of: ``("net",)``, ``("ip", "port")``, ``("set",)`` for a list of sets; nft's sets have
            ``"proto"`` as well, a protocol alone.
        family: of its addresses; None where it has none.
        entries: in the order listed.
        bent: whether an option of the set changes what its entries mean.
    """

    name: str
    dimensions: tuple[str, ...]
    family: Family | None
    entries: tuple[Entry, ...] = ()
    bent: bool = False

    @property
    def networks(self) -> tuple[Network, ...]:
        """Those that a set of networks names, ranges taken apart; no single addresses, none where an entry means otherwise."""
        if len(self.dimensions) != 1 or self.dimensions[0] not in _ADDRESSES or self.bent:
            return ()
        named = itertools.chain.from_iterable(_networks(each.values[0]) for each in self.entries if not each.nomatch)
        return tuple(itertools.islice(named, _MOST_BOXES))


def _networks(text: str) -> Iterable[Network]:
    """The networks that an entry names: nft puts neighbours together into one range. A range of a few hosts names none."""
    if "/" in text:
        return (parse_network(text),)
    first, _, last = text.partition("-")
    try:
        found: tuple[Network, ...] = tuple(summarize_address_range(ip_address(first), ip_address(last))) if last else ()
    except (TypeError, ValueError):
        return ()
    return found if all(each.num_addresses >= _FEWEST for each in found) else ()


class _Unreadable(Exception):  # noqa: N818  (no error: natfix then says "either")
    """An entry says something that is not modelled."""


def parse_ipsets(text: str, source: str) -> dict[str, IpSet]:
    """Read what ``ipset save`` printed.

    Raises:
        RulesetSyntaxError: a line is neither ``create`` nor ``add``, or adds to a set that no line before it creates.
    """
    found: dict[str, IpSet] = {}
    entries: dict[str, list[Entry]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = _bare_words(line)
        if not words or words[0].startswith("#"):
            continue
        if words[0] == "create" and len(words) > 2:  # noqa: PLR2004  (create NAME TYPE)
            found[words[1]] = _created(words)
            entries[words[1]] = []
        elif words[0] == "add" and len(words) > 2 and words[1] in found:  # noqa: PLR2004  (add NAME ENTRY)
            # Of a name with this flag any name is meant that begins so (hash:net,iface).
            value = f"{words[2]}+" if "wildcard" in words[3:] else words[2]
            entries[words[1]].append(Entry(tuple(value.split(",")), "nomatch" in words[3:]))
        else:
            raise RulesetSyntaxError(
                "no line of ipset save: a set is created, and things are added to sets created before",
                source=source,
                line=number,
                text=line,
                hint="Print the sets with: ipset save",
            )
    return {name: IpSet(name, each.dimensions, each.family, tuple(entries[name]), each.bent) for name, each in found.items()}


def _bare_words(line: str) -> list[str]:
    """The words of a line without what stands in quotes, which is a comment."""
    return [word for part in line.split('"')[::2] for word in part.split()]


def _created(words: Sequence[str]) -> IpSet:
    method, _, dimensions = words[2].partition(":")
    addressed = method != "list" and _ADDRESSES & set(dimensions.split(","))
    family = (Family.IPV6 if "inet6" in words[3:] else Family.IPV4) if addressed else None
    return IpSet(words[1], tuple(dimensions.split(",")), family, bent=bool(_BENDING & set(words[3:])))


def by_set(packets: PacketSet, ipset: IpSet, directions: Sequence[str], ipsets: IpSets) -> Parts | None:
    """Split *packets* into those that are in a set and those that are not.

    Args:
        packets: the packets.
        ipset: the set.
        directions: ``src`` or ``dst`` for each dimension.
        ipsets: all sets, for a set that is a list of sets.

    Returns:
        Disjoint sets on both sides; None where natfix cannot tell.
    """
    try:
        return _parted(packets, ipset, directions, ipsets)
    except _Unreadable:
        return None


def _parted(packets: PacketSet, ipset: IpSet, directions: Sequence[str], ipsets: IpSets) -> Parts:
    if ipset.dimensions == ("set",):
        return _in_members(packets, ipset, directions, ipsets)
    if ipset.bent or len(directions) < len(ipset.dimensions):
        raise _Unreadable
    if ipset.family not in {None, packets.family}:
        return (), (packets,)
    if len(ipset.dimensions) == 1 and ipset.dimensions[0] in _ADDRESSES:
        return _by_addresses(packets, ipset, directions[0])
    return _by_boxes(packets, ipset, directions)


def _in_members(packets: PacketSet, ipset: IpSet, directions: Sequence[str], ipsets: IpSets) -> Parts:
    """Ask the members one after the other, as list:set does."""
    inside: list[PacketSet] = []
    rest = [packets]
    for entry in ipset.entries:
        member = ipsets.get(entry.values[0])
        # A list is no member of a list (ip_set_list_set.c).
        if member is None or member.dimensions == ("set",):
            raise _Unreadable
        parts = [_parted(each, member, directions, ipsets) for each in rest]
        inside += [piece for within, _ in parts for piece in within]
        rest = [piece for _, without in parts for piece in without]
    return tuple(inside), tuple(rest)


def _by_addresses(packets: PacketSet, ipset: IpSet, direction: str) -> Parts:
    name = _field("source", "destination", direction)
    has: Intervals = getattr(packets, name)
    members = _members(ipset.entries) & has
    return _kept(packets, name, members), _kept(packets, name, has - members)


def _members(entries: Iterable[Entry]) -> Intervals:
    """The addresses of a set of one dimension; of entries inside each other the narrower one counts."""
    ranges = [(_addresses(entry.values[0]), entry.nomatch) for entry in entries]
    if not any(nomatch for _, nomatch in ranges):
        return Intervals.of(each for each, _ in ranges)
    members = Intervals()
    for (first, last), nomatch in sorted(ranges, key=lambda each: each[0][0] - each[0][1]):
        one = Intervals(((first, last),))
        members = members - one if nomatch else members | one
    return members


def _by_boxes(packets: PacketSet, ipset: IpSet, directions: Sequence[str]) -> Parts:
    """Cut one entry after the other out of the packets; each is a box."""
    inside: list[PacketSet] = []
    rest = [packets]
    for entry in ipset.entries:
        if entry.nomatch or len(entry.values) != len(ipset.dimensions):
            raise _Unreadable
        parts = [_cut(each, entry, ipset.dimensions, directions) for each in rest]
        inside += [piece for within, _ in parts for piece in within]
        rest = [piece for _, without in parts for piece in without]
        if len(inside) + len(rest) > _MOST_BOXES:
            raise _Unreadable
    return tuple(inside), tuple(rest)


def _cut(packets: PacketSet, entry: Entry, dimensions: Sequence[str], directions: Sequence[str]) -> Parts:
    """Cut the box of one entry out of the packets."""
    inside: tuple[PacketSet, ...] = (packets,)
    outside: list[PacketSet] = []
    for kind, value, direction in zip(dimensions, entry.values, directions, strict=False):
        if not inside:
            break
        parts = list(_one(inside[0], kind, value, direction))
        inside = tuple(piece for within, _ in parts for piece in within)
        outside += [piece for _, without in parts for piece in without]
    # Nothing of this entry is in the packets: they stay one piece.
    return (inside, tuple(outside)) if inside else ((), (packets,))


def _one(packets: PacketSet, kind: str, value: str, direction: str) -> Iterator[Parts]:
    """Split by one part of an entry, so that at most one piece is inside."""
    if kind in _ADDRESSES:
        yield _by_interval(packets, _field("source", "destination", direction), Intervals((_addresses(value),)))
    elif kind == "port":
        protocol, ports = _ports(value)
        split = _by_interval(packets, "protocol", protocol)
        yield (), split[1]
        for each in split[0]:
            yield _by_interval(each, _field("source_port", "destination_port", direction), ports)
    elif kind == "proto":
        yield _by_interval(packets, "protocol", Intervals.single(_protocol(value)))
    elif kind == "iface":
        yield _by_interface(packets, value, _field("in_interface", "out_interface", direction))
    else:
        raise _Unreadable


def _by_interval(packets: PacketSet, name: str, wanted: Intervals) -> Parts:
    has: Intervals = getattr(packets, name)
    return _kept(packets, name, has & wanted), _kept(packets, name, has - wanted)


def _by_interface(packets: PacketSet, value: str, name: str) -> Parts:
    names = getattr(packets, name)
    if names is None or ":" in value:  # physdev:eth0
        raise _Unreadable
    return _kept(packets, name, names.within(value)), _kept(packets, name, names.excluding(value))


def _kept(packets: PacketSet, name: str, values: object) -> tuple[PacketSet, ...]:
    return (packets.having(name, values),) if values else ()


def _field(source: str, destination: str, direction: str) -> str:
    return source if direction == "src" else destination


def _addresses(text: str) -> tuple[int, int]:
    """Read ``10.0.0.1``, ``10.0.0.0/24`` or ``10.0.0.1-10.0.0.9`` as first and last."""
    first, dash, last = text.partition("-")
    try:
        if dash:
            return int(ip_address(first)), int(ip_address(last))
        network = parse_network(text)
    except ValueError:
        raise _Unreadable from None
    return int(network.network_address), int(network.broadcast_address)


def _protocol(name: str) -> int:
    number = int(name) if name.isdecimal() else PROTOCOLS.get(name)
    if number is None:
        raise _Unreadable
    return number


def _ports(text: str) -> tuple[Intervals, Intervals]:
    """Read ``tcp:80`` or ``udp:1024-65535``."""
    name, _, ports = text.partition(":")
    number = PROTOCOLS.get(name, 0)
    first, _, last = ports.partition("-")
    if number not in PORTED or not first.isdecimal() or not (last or first).isdecimal():
        raise _Unreadable
    return Intervals.single(number), Intervals(((int(first), int(last or first)),))
