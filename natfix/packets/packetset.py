"""Sets of packets at a netfilter hook, and one packet picked out of such a set."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from ipaddress import IPv4Address, IPv6Address
from operator import attrgetter
from typing import Any, TypeAlias

from natfix.packets.bits import UNKNOWN, Bits
from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.ruleset import Family

Address: TypeAlias = IPv4Address | IPv6Address

PROTOCOLS = {
    "icmp": 1, "igmp": 2, "ipencap": 4, "tcp": 6, "udp": 17, "dccp": 33, "ipv6": 41, "gre": 47, "esp": 50, "ah": 51,
    "icmpv6": 58, "ipv6-icmp": 58, "ospf": 89, "vrrp": 112, "l2tp": 115, "sctp": 132, "udplite": 136,
}  # fmt: skip
PROTOCOL_NAMES = {number: name for name, number in reversed(PROTOCOLS.items())}
# Connection tracking knows each ICMP in its own family alone, and what it does not track is never translated
# (nf_conntrack_icmp_packet).
_ORDINARY = {
    Family.IPV4: (PROTOCOLS["tcp"], PROTOCOLS["udp"], PROTOCOLS["icmp"]),
    Family.IPV6: (PROTOCOLS["tcp"], PROTOCOLS["udp"], PROTOCOLS["icmpv6"]),
}
PORTED = frozenset(PROTOCOLS[name] for name in ("tcp", "udp", "sctp", "dccp", "udplite"))

ANY_PROTOCOL = Intervals(((0, 255),))
ANY_PORT = Intervals(((0, 65535),))
ADDRESS_TYPES = frozenset({"UNICAST", "LOCAL", "BROADCAST", "ANYCAST", "MULTICAST", "BLACKHOLE", "UNREACHABLE", "PROHIBIT"})
STATES = frozenset({"NEW", "RELATED"})


def address(number: int, family: Family) -> Address:
    """Turn an integer back into an address of *family*."""
    return IPv4Address(number) if family is Family.IPV4 else IPv6Address(number)


def every_address(family: Family) -> Intervals:
    """The set of all addresses of *family*, as integers."""
    return Intervals(((0, 2**family.width - 1),))


@dataclass(frozen=True, slots=True)
class PacketSet:
    """All packets whose every field is in the set given for it: a box in as many dimensions as there are fields.

    Attributes:
        family: IPv4 or IPv6.
        source: source addresses, as integers.
        destination: destination addresses, as integers.
        out_interface: names of the interface the packet leaves by.
        protocol: IP protocol numbers.
        source_port: for protocols with ports.
        destination_port: for protocols with ports.
        mark: firewall marks.
        source_type: what the routing table calls the source (``-m addrtype``).
        destination_type: what it calls the destination.
        state: the state of the connection; the nat table sees NEW and RELATED only (nf_nat_core.c,
            nf_nat_inet_fn).
        in_interface: names of the interface the packet came in by; None when nobody can tell what ``-i`` meets, as in
            POSTROUTING, where it depends on the kernel (none before Linux 5.6).
        connmark: the mark of their connection; 0 for one that the packet opens (nf_conntrack_core.c, init_conntrack).
    """

    family: Family
    source: Intervals
    destination: Intervals
    out_interface: Names = Names()  # noqa: RUF009  (frozen)
    protocol: Intervals = ANY_PROTOCOL
    source_port: Intervals = ANY_PORT
    destination_port: Intervals = ANY_PORT
    mark: Bits = Bits()  # noqa: RUF009  (frozen)
    source_type: frozenset[str] = ADDRESS_TYPES
    destination_type: frozenset[str] = ADDRESS_TYPES
    state: frozenset[str] = field(default=STATES)
    in_interface: Names | None = None
    connmark: Bits = UNKNOWN

    def having(self, name: str, value: Any) -> PacketSet:  # noqa: ANN401  (the field decides)
        """The same set with another value for one field."""
        # dataclasses.replace costs eight times this, and the walk does it for every rule.
        made = object.__new__(PacketSet)
        for put, held in zip(_SETTERS.values(), _VALUES(self), strict=True):
            put(made, held)
        _SETTERS[name](made, value)
        return made

    def __le__(self, other: PacketSet) -> bool:
        """Whether every packet in this set is in *other*."""
        return all(_is_within(getattr(self, each), getattr(other, each)) for each in FIELDS)


def _is_within(one: Any, other: Any) -> bool:  # noqa: ANN401  (the field decides)
    """Whether the values *one* of a field are all in *other*; what nobody can tell is only within itself."""
    return one is other or (one is not None and other is not None and bool(one <= other))


FIELDS = tuple(each.name for each in fields(PacketSet))
"""The names of what a packet has."""
_VALUES = attrgetter(*FIELDS)
# Past the frozen dataclass's own __setattr__, for an object that nobody has seen yet.
_SETTERS = {name: vars(PacketSet)[name].__set__ for name in FIELDS}


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet, as a person would write it down.

    Attributes:
        source: where it comes from.
        destination: where it goes.
        out_interface: the device it leaves by; empty where that is not decided yet.
        protocol: name or number.
        source_port: None for protocols without ports.
        destination_port: None for protocols without ports.
        mark: the firewall mark.
        in_interface: the device it came in by; empty where that does not matter.
    """

    source: Address
    destination: Address
    out_interface: str
    protocol: str = "tcp"
    source_port: int | None = None
    destination_port: int | None = None
    mark: int = 0
    in_interface: str = ""

    def __str__(self) -> str:
        """Spell it as ``tcp 172.7.21.2:40000 -> 172.7.22.2:80 out eth0``."""
        ways = f" in {self.in_interface}" if self.in_interface else ""
        ways += f" out {self.out_interface}" if self.out_interface else ""
        mark = f" mark {self.mark:#x}" if self.mark else ""
        source = _end(self.source, self.source_port)
        destination = _end(self.destination, self.destination_port)
        return f"{self.protocol} {source} -> {destination}{ways}{mark}"


def _end(where: Address, port: int | None) -> str:
    if port is None:
        return str(where)
    return f"[{where}]:{port}" if isinstance(where, IPv6Address) else f"{where}:{port}"


def witness(packets: PacketSet, *, devices: tuple[str, ...] = (), near: Intervals | None = None) -> Packet:
    """Pick the packet of a set that a reader finds most ordinary: TCP to port 80 from the second host of a subnet.

    Args:
        packets: the set; not empty.
        devices: names to prefer for the devices it comes in and leaves by.
        near: addresses beside which its other end should lie, usually the local subnet.
    """
    protocol = _pick(packets.protocol, _ORDINARY[packets.family])
    ported = protocol in PORTED
    beside = (near.ranges[-1][1] + 3,) if near else ()
    hosts = (packets.destination.ranges[-1][0] + 2, packets.destination.ranges[0][0] + 2)
    return Packet(
        source=address(_pick(packets.source, (*beside, packets.source.ranges[0][0] + 2)), packets.family),
        destination=address(_pick(packets.destination, (*beside, *hosts)), packets.family),
        out_interface=packets.out_interface.sample(*devices),
        protocol=PROTOCOL_NAMES.get(protocol, str(protocol)),
        source_port=_pick(packets.source_port, (40000,)) if ported else None,
        destination_port=_pick(packets.destination_port, (80, 443, 53)) if ported else None,
        mark=packets.mark.value,
        in_interface=packets.in_interface.sample(*devices) if packets.in_interface else "",
    )


def _pick(values: Intervals, preferred: tuple[int, ...]) -> int:
    return next((value for value in preferred if value in values), values.ranges[0][0])
