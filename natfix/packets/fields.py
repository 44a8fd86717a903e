"""How each option that natfix can evaluate splits a set of packets, as the kernel's matches do.

Sources: iptables-extensions(8); net/ipv4/netfilter/ip_tables.c (ip_packet_match); net/netfilter/xt_*.c.
A splitter answers None where nobody can tell from the rule alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

from natfix.packets.bits import ALL_BITS, Bits
from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.packets.packetset import ADDRESS_TYPES, PORTED, PROTOCOLS, STATES, PacketSet
from natfix.packets.sets import IpSets
from natfix.ruleset import Family, Option, parse_network

_REMEMBERED: Final = 1024

Split: TypeAlias = tuple[tuple[PacketSet, ...], tuple[PacketSet, ...]]
Splitter: TypeAlias = Callable[[PacketSet, Option], Split | None]


def _by_interval(packets: PacketSet, name: str, wanted: Intervals) -> Split:
    has: Intervals = getattr(packets, name)
    inside = has & wanted
    # Most rules match all packets or none, and then no other set need be made.
    if not inside:
        return (), (packets,)
    return ((packets,), ()) if inside == has else _pair(packets, name, inside, has - wanted)


def _by_choice(packets: PacketSet, name: str, wanted: frozenset[str]) -> Split:
    has: frozenset[str] = getattr(packets, name)
    return _pair(packets, name, has & wanted, has - wanted)


def _pair(packets: PacketSet, name: str, inside: object, outside: object) -> Split:
    return (
        (packets.having(name, inside),) if inside else (),
        (packets.having(name, outside),) if outside else (),
    )


def _address(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        wanted = _addresses(option.value, packets.family)
        return None if wanted is None else _by_interval(packets, name, wanted)

    return split


@lru_cache(_REMEMBERED)
def _addresses(text: str, family: Family) -> Intervals | None:
    """The addresses of ``10.0.0.0/8`` or of several such; None for a mask with holes, and for another family."""
    try:
        networks = [parse_network(each) for each in text.split(",")]
    except ValueError:
        return None
    return Intervals.networks(networks) if all(each.version == family for each in networks) else None


def _range(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        first, _, last = option.value.partition("-")
        try:
            low, high = parse_network(first), parse_network(last or first)
        except ValueError:
            return None
        if {low.version, high.version} != {packets.family}:
            return None
        addresses = Intervals.of([(int(low.network_address), int(high.network_address))])
        return _by_interval(packets, name, addresses)

    return split


def _interface(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        has: Names | None = getattr(packets, name)
        if has is None:
            return None
        return _pair(packets, name, has.within(option.value), has.excluding(option.value))

    return split


def _protocol(packets: PacketSet, option: Option) -> Split | None:
    name = option.value.lower()
    if name in {"all", "0"}:
        return (packets,), ()
    number = PROTOCOLS.get(name) if not name.isdecimal() else int(name)
    return None if number is None else _by_interval(packets, "protocol", Intervals.single(number))


def _ports(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        wanted = _wanted_ports(packets, option)
        return None if wanted is None else _by_interval(packets, name, wanted)

    return split


def _either_port(packets: PacketSet, option: Option) -> Split | None:
    wanted = _wanted_ports(packets, option)
    if wanted is None:
        return None
    by_source, others = _by_interval(packets, "source_port", wanted)
    splits = [_by_interval(each, "destination_port", wanted) for each in others]
    by_destination = tuple(piece for inside, _ in splits for piece in inside)
    return by_source + by_destination, tuple(piece for _, outside in splits for piece in outside)


def _wanted_ports(packets: PacketSet, option: Option) -> Intervals | None:
    """The ports of an option; None where a packet may have none, or a service is named, which the host numbers."""
    if not packets.protocol <= _PORTED:
        return None
    try:
        return Intervals.of(_port_range(text) for text in option.value.split(","))
    except ValueError:
        return None


def _port_range(text: str) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    return int(first or 0), int(last or 65535) if colon else int(first)


def _marks(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        try:
            value, mask = parse_mark(option.value)
        except ValueError:
            return None
        has: Bits = getattr(packets, name)
        inside = has.within(value, mask)
        pieces = has.excluding(value, mask)
        return (
            (packets.having(name, inside),) if inside is not None else (),
            tuple(packets.having(name, piece) for piece in pieces),
        )

    return split


def _connmark(packets: PacketSet, option: Option) -> Split | None:
    """Split by the mark of the connection; where none is tracked the match fails, negated or not."""
    return None if "UNTRACKED" in packets.state else _CONNMARK(packets, option)


def parse_mark(text: str) -> tuple[int, int]:
    """Read ``0x4000/0x4000`` or ``1`` into value and mask.

    Raises:
        ValueError: *text* is no mark.
    """
    value, slash, mask = text.partition("/")
    return int(value, 0), int(mask, 0) if slash else ALL_BITS


def _choice(name: str, modelled: frozenset[str]) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        wanted = frozenset(option.value.upper().split(","))
        return _by_choice(packets, name, wanted) if wanted <= modelled else None

    return split


def _direction(packets: PacketSet, option: Option) -> Split | None:
    """Packets that open a connection go in the direction in which it is opened."""
    if not packets.state <= STATES or option.value.upper() not in {"ORIGINAL", "REPLY"}:
        return None
    return ((packets,), ()) if option.value.upper() == "ORIGINAL" else ((), (packets,))


def in_known_set(packets: PacketSet, options: Sequence[Option], ipsets: IpSets) -> Split | None:
    """Split by ``-m set --match-set NAME src,dst``, where the set is known and nothing else is asked of it.

    kube-proxy's KUBE-LOOP-BACK holds endpoints that call themselves (pkg/proxy/ipvs/ipset.go): no packet between different
    addresses is ever in it, whatever it holds.
    """
    option = options[0]
    if len(options) > 1 or option.name != "match-set":
        return None
    name, directions = option.values
    if name in _LOOP_BACK and not packets.source & packets.destination:
        split: Split | None = ((), (packets,))
    elif name not in ipsets:
        split = None
    else:
        from natfix.packets.ipset import by_set  # noqa: PLC0415  (start-up time: most hosts have no sets)

        split = by_set(packets, ipsets[name], directions.split(","), ipsets)
    return (split[1], split[0]) if split is not None and option.negated else split


def _everything(packets: PacketSet, _: Option) -> Split:
    return (packets,), ()


_CONNMARK = _marks("connmark")
_LOOP_BACK = frozenset({"KUBE-LOOP-BACK", "KUBE-6-LOOP-BACK"})
_PORTED = Intervals.of((number, number) for number in PORTED)
_WITH_PORTS = ("tcp", "udp", "sctp", "dccp", "udplite")
_TRACKED = STATES | {"ESTABLISHED", "INVALID", "UNTRACKED"}
SPLITTERS: dict[tuple[str, str], Splitter] = {
    ("", "source"): _address("source"),
    ("", "destination"): _address("destination"),
    ("", "in-interface"): _interface("in_interface"),
    ("", "out-interface"): _interface("out_interface"),
    ("", "protocol"): _protocol,
    ("iprange", "src-range"): _range("source"),
    ("iprange", "dst-range"): _range("destination"),
    ("mark", "mark"): _marks("mark"),
    ("connmark", "mark"): _connmark,
    ("addrtype", "src-type"): _choice("source_type", ADDRESS_TYPES),
    ("addrtype", "dst-type"): _choice("destination_type", ADDRESS_TYPES),
    ("conntrack", "ctstate"): _choice("state", _TRACKED),
    ("conntrack", "ctdir"): _direction,
    ("state", "state"): _choice("state", _TRACKED),
    ("multiport", "source-ports"): _ports("source_port"),
    ("multiport", "destination-ports"): _ports("destination_port"),
    ("multiport", "ports"): _either_port,
    ("comment", "comment"): _everything,
    **{(owner, "source-port"): _ports("source_port") for owner in _WITH_PORTS},
    **{(owner, "destination-port"): _ports("destination_port") for owner in _WITH_PORTS},
}
