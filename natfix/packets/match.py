"""Which packets of a set a rule matches, field by field, as the kernel's matches do.

Sources: iptables-extensions(8); net/ipv4/netfilter/ip_tables.c (ip_packet_match); net/netfilter/xt_*.c.
A match that is not modelled here makes the answer "either": natfix then says possible, never nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from natfix.packets.bits import ALL_BITS
from natfix.packets.intervals import Intervals
from natfix.packets.packetset import ADDRESS_TYPES, PORTED, PROTOCOLS, STATES, PacketSet
from natfix.ruleset import Option, Rule, parse_network

Split: TypeAlias = tuple[tuple[PacketSet, ...], tuple[PacketSet, ...]]
Splitter: TypeAlias = Callable[[PacketSet, Option], Split | None]

_SILENT_MATCHES = frozenset(
    {"tcp", "udp", "sctp", "dccp", "udplite", "icmp", "icmp6", "icmpv6", "comment", "multiport", "mark", "addrtype",
     "conntrack", "state", "iprange"}
)  # fmt: skip
_SAYS_NOTHING = frozenset({"match", "jump", "goto", "comment"})


class Matched(NamedTuple):
    """What a rule does with a set of packets.

    Attributes:
        inside: the packets that match; disjoint sets.
        outside: the packets that do not; disjoint sets, disjoint from *inside*.
        unknown: the words natfix cannot evaluate; when there are any, a packet of *inside* may match or not.
    """

    inside: tuple[PacketSet, ...]
    outside: tuple[PacketSet, ...]
    unknown: tuple[str, ...]


def match(rule: Rule, packets: PacketSet) -> Matched:
    """Split *packets* into those *rule* matches and those it does not."""
    inside: tuple[PacketSet, ...] = (packets,)
    outside: list[PacketSet] = []
    unknown: list[str] = []
    target_options = rule.target_options
    for option in rule.options:
        if option in target_options or (option.name in _SAYS_NOTHING and not _is_unknown_match(option)):
            continue
        splits = [_split(each, option) for each in inside]
        known = [split for split in splits if split is not None]
        if len(known) < len(splits):
            unknown.append(rule.spec[option.start : option.stop])
            continue
        outside.extend(piece for _, rest in known for piece in rest)
        inside = tuple(piece for kept, _ in known for piece in kept)
        if not inside:
            return Matched((), tuple(outside), ())
    return Matched(inside, tuple(outside), tuple(unknown))


def _is_unknown_match(option: Option) -> bool:
    return option.name == "match" and option.value not in _SILENT_MATCHES


def _split(packets: PacketSet, option: Option) -> Split | None:
    """Split by one option; None when natfix cannot tell."""
    splitter = _SPLITTERS.get((option.owner, option.name))
    split = splitter(packets, option) if splitter else None
    if split is not None and option.negated:
        return split[1], split[0]
    return split


def _by_interval(packets: PacketSet, name: str, wanted: Intervals) -> Split:
    has: Intervals = getattr(packets, name)
    return _pair(packets, name, has & wanted, has - wanted)


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
        try:
            networks = [parse_network(text) for text in option.value.split(",")]
        except ValueError:  # a mask with holes
            return None
        if any(network.version != packets.family for network in networks):
            return None
        return _by_interval(packets, name, Intervals.networks(networks))

    return split


def _range(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        first, _, last = option.value.partition("-")
        try:
            low, high = parse_network(first), parse_network(last or first)
        except ValueError:
            return None
        return _by_interval(packets, name, Intervals.of([(int(low.network_address), int(high.network_address))]))

    return split


def _interface(packets: PacketSet, option: Option) -> Split:
    inside = packets.out_interface.within(option.value)
    outside = packets.out_interface.excluding(option.value)
    return _pair(packets, "out_interface", inside, outside)


def _protocol(packets: PacketSet, option: Option) -> Split | None:
    name = option.value.lower()
    if name in {"all", "0"}:
        return (packets,), ()
    number = PROTOCOLS.get(name) if not name.isdecimal() else int(name)
    return None if number is None else _by_interval(packets, "protocol", Intervals.single(number))


def _ports(name: str) -> Splitter:
    def split(packets: PacketSet, option: Option) -> Split | None:
        try:
            wanted = Intervals.of(_port_range(text) for text in option.value.split(","))
        except ValueError:  # a service name: its number is the host's business
            return None
        ported = Intervals.of((number, number) for number in PORTED)
        if packets.protocol <= ported:
            return _by_interval(packets, name, wanted)
        return None

    return split


def _port_range(text: str) -> tuple[int, int]:
    first, colon, last = text.partition(":")
    return int(first or 0), int(last or 65535) if colon else int(first)


def _mark(packets: PacketSet, option: Option) -> Split | None:
    try:
        value, mask = parse_mark(option.value)
    except ValueError:
        return None
    inside = packets.mark.within(value, mask)
    pieces = packets.mark.excluding(value, mask)
    return (
        (packets.having("mark", inside),) if inside is not None else (),
        tuple(packets.having("mark", piece) for piece in pieces),
    )


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


_TRACKED = STATES | {"ESTABLISHED", "INVALID", "UNTRACKED"}
_SPLITTERS: dict[tuple[str, str], Splitter] = {
    ("", "source"): _address("source"),
    ("", "destination"): _address("destination"),
    ("", "out-interface"): _interface,
    ("", "protocol"): _protocol,
    ("iprange", "src-range"): _range("source"),
    ("iprange", "dst-range"): _range("destination"),
    ("mark", "mark"): _mark,
    ("addrtype", "src-type"): _choice("source_type", ADDRESS_TYPES),
    ("addrtype", "dst-type"): _choice("destination_type", ADDRESS_TYPES),
    ("conntrack", "ctstate"): _choice("state", _TRACKED),
    ("state", "state"): _choice("state", _TRACKED),
    ("multiport", "source-ports"): _ports("source_port"),
    ("multiport", "destination-ports"): _ports("destination_port"),
} | {
    (owner, f"{end}-port"): _ports(f"{end}_port") for owner in ("tcp", "udp", "sctp", "dccp", "udplite") for end in ("source", "destination")
}  # fmt: skip
