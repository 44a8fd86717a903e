"""``natfix trace``: what the tables of a host do with one packet, or with all packets between two networks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final

from natfix.app.ports import Interface, Links, NftListing, Route, RulesetStore
from natfix.app.shown import shown
from natfix.errors import UsageError
from natfix.nft import NftRuleset, parse_nft
from natfix.packets import Intervals, Names, PacketSet
from natfix.packets.bits import Bits
from natfix.packets.packetset import ANY_PORT, ANY_PROTOCOL, PORTED, PROTOCOLS
from natfix.packets.sets import IpSets
from natfix.packets.trace import OUT, THROUGH, follow, in_order, passed
from natfix.report.trace import Traced
from natfix.ruleset import Family, Network, Ruleset, Table, family_of, parse, parse_network
from natfix.ruleset.addresses import has_host_bits

_FIRST_PORT: Final = 40000
_MOST_PORTS: Final = 65535
_LOCAL: Final = frozenset({"LOCAL"})
_MULTICAST: Final = {Family.IPV4: parse_network("224.0.0.0/4"), Family.IPV6: parse_network("ff00::/8")}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user wants to know the way of.

    Attributes:
        source: an address, or a network for a set of packets.
        destination: the same.
        in_interface: the device it comes in by; empty where the host's routes shall tell, or nobody.
        out_interface: the device it leaves by; likewise.
        protocol: name or number; empty for any, which only a set of packets can be of.
        source_port: None for any, or for the one that natfix chooses for a single packet.
        destination_port: None for any.
        mark: the firewall mark it comes with.
        local: whether this host sends it itself.
    """

    source: Network
    destination: Network
    in_interface: str = ""
    out_interface: str = ""
    protocol: str = ""
    source_port: int | None = None
    destination_port: int | None = None
    mark: int = 0
    local: bool = False


def asked(  # noqa: PLR0913  (one argument an option)
    source: str,
    destination: str,
    *,
    in_interface: str = "",
    out_interface: str = "",
    protocol: str = "",
    source_port: int | None = None,
    destination_port: int | None = None,
    mark: str = "",
    local: bool = False,
) -> Asked:
    """Read what a user wrote.

    Raises:
        UsageError: an address, a protocol, a port or a mark is none, or they do not fit each other.
    """
    ends = (_network(source, "SOURCE"), _network(destination, "DESTINATION"))
    if ends[0].version != ends[1].version:
        raise UsageError(f"{source} and {destination} are of two families, and no packet goes between them")
    if local and in_interface:
        raise UsageError(
            "a packet that this host sends itself comes in by no device: --local and --in-interface exclude each other"
        )
    single = all(end.num_addresses == 1 for end in ends)
    name = protocol.lower() or ("tcp" if single or source_port is not None or destination_port is not None else "")
    number = _protocol_number(name) if name else None
    if number not in PORTED and (source_port is not None or destination_port is not None):
        raise UsageError(f"{name} has no ports: --sport and --dport are for tcp, udp, sctp, dccp and udplite")
    for port in (source_port, destination_port):
        if port is not None and not 0 <= port <= _MOST_PORTS:
            raise UsageError(f"{port} is no port: they go from 0 to {_MOST_PORTS}")
    return Asked(*ends, in_interface, out_interface, name, source_port, destination_port, _mark(mark) if mark else 0, local)


def _network(text: str, name: str) -> Network:
    try:
        if has_host_bits(text):
            raise UsageError(
                f"{name}: {text} is an address with the prefix of a network; write the address alone, or the network"
            )
        return parse_network(text)
    except ValueError:
        raise UsageError(
            f"{name}: {text} is neither an address nor a network", hint="Such as 172.7.21.2 or 172.7.21.0/24."
        ) from None


def _protocol_number(name: str) -> int:
    number = PROTOCOLS.get(name, int(name) if name.isdecimal() else -1)
    if not 0 <= number <= 255:  # noqa: PLR2004  (an octet)
        raise UsageError(f"--proto: {name} is no protocol that natfix knows by name; its number does as well")
    return number


def _mark(text: str) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value < 2**32:
        raise UsageError(f"--mark: {text} is no firewall mark; such as 0x4000, 32 bits at most")
    return value


def trace_texts(
    wanted: Asked, rulesets: Sequence[Ruleset], ipsets: IpSets | None = None, native: Sequence[NftRuleset] = ()
) -> Traced:
    """Follow packets through the tables of texts; of those with one priority one is asked after the other.

    Args:
        wanted: the packets.
        rulesets: iptables-save texts.
        ipsets: the sets of their host.
        native: nft's own tables of their host.

    Raises:
        RulesetSyntaxError: a chain they come to cannot be read.
        UsageError: the texts hold no table of the packets' family.
    """
    told = [(table.family, table.name) for ruleset in rulesets for table in ruleset.tables]
    return _traced(wanted, rulesets, ipsets, ((), ()), [each.beside(told) for each in native])


def trace_host(
    wanted: Asked,
    stores: Iterable[RulesetStore],
    links: Links,
    ipsets: IpSets | None = None,
    native: NftListing | None = None,
) -> Traced:
    """Follow packets through the tables of this host; its routes tell the devices that nobody named.

    Raises:
        HostError: a table cannot be read.
        UnsupportedError: a table holds what neither iptables nor nft can show.
        RulesetSyntaxError: as trace_texts.
        UsageError: this host has no table of the packets' family.
    """
    family = family_of(wanted.source)
    alike = [store for store in stores if store.backend.family is family]
    tables = shown(alike, lambda store: parse(store.dump(), str(store.backend), family))
    notes: list[str] = []
    listed = tables.native(native, notes) if native is not None else None
    own = [parse_nft(listed, "nft")] if listed else []
    read = [ruleset for _, ruleset in tables.read]
    traced = _traced(wanted, read, ipsets, (links.interfaces(), links.routes()), own)
    return replace(traced, notes=(*notes, *traced.notes))


def _traced(
    wanted: Asked,
    rulesets: Sequence[Ruleset],
    ipsets: IpSets | None,
    network: tuple[Sequence[Interface], Sequence[Route]],
    native: Sequence[NftRuleset],
) -> Traced:
    family = family_of(wanted.source)
    way = OUT if wanted.local else THROUGH
    tables = [(ruleset.source, table) for ruleset in rulesets for table in _tables(ruleset, family)]
    own = [base.place for nft in native for base in nft.chains if base.table.family is family]
    sources = (*(ruleset.source for ruleset in rulesets), *(nft.source for nft in native))
    if not tables and not own:
        names = ", ".join(sources) or "this host"
        raise UsageError(f"{names}: there is no IPv{family.value} table, so nothing is done to such a packet")
    notes: list[str] = []
    packets = _packets(wanted, *network, notes)
    trace = follow(in_order([*passed(tables, way), *own], way), packets, ipsets=ipsets)
    addresses = {each.name: str(seen[0].ip) for each in network[0] if (seen := each.seen_elsewhere(family))}
    return Traced(packets, trace, sources, tuple(notes), addresses)


def _tables(ruleset: Ruleset, family: Family) -> Iterable[Table]:
    names = dict.fromkeys(table.name for table in ruleset.tables)
    return [table for name in names if (table := ruleset.table(name, family)) is not None]


def _packets(wanted: Asked, interfaces: Sequence[Interface], routes: Sequence[Route], notes: list[str]) -> PacketSet:
    """The set that was asked for, with what the host says of it."""
    protocol = _protocol_number(wanted.protocol) if wanted.protocol else None
    single = wanted.source.num_addresses == wanted.destination.num_addresses == 1
    own = [address.ip for each in interfaces for address in each.addresses]
    ends = _type(wanted.destination, own)
    # Where a packet for this host leaves by, should DNAT send it on, its own destination does not tell.
    leads = () if ends == _LOCAL and not wanted.local else routes
    return PacketSet(
        family_of(wanted.source),
        Intervals.networks([wanted.source]),
        Intervals.networks([wanted.destination]),
        out_interface=_device(wanted.out_interface, wanted.destination, leads, ("out", notes)),
        protocol=ANY_PROTOCOL if protocol is None else Intervals.single(protocol),
        source_port=_ports(wanted.source_port, _FIRST_PORT if single and protocol in PORTED else None),
        destination_port=_ports(wanted.destination_port, 80 if single and protocol in PORTED else None),
        mark=Bits(wanted.mark),
        connmark=Bits(),
        source_type=_type(wanted.source, own),
        destination_type=ends,
        state=frozenset({"NEW"}),
        in_interface=Names("") if wanted.local else _device(wanted.in_interface, wanted.source, routes, ("in", notes)),
    )


def _ports(given: int | None, chosen: int | None) -> Intervals:
    port = chosen if given is None else given
    return ANY_PORT if port is None else Intervals.single(port)


def _device(given: str, network: Network, routes: Sequence[Route], told: tuple[str, list[str]]) -> Names:
    """The device named, else the one that the longest route chooses, else any."""
    if given:
        return Names(given)
    alike = [route for route in routes if route.destination.version == network.version]
    leading = [route for route in alike if _is_within(network, route.destination)]
    if not leading:
        return Names()
    best = max(leading, key=lambda route: route.destination.prefixlen)
    if any(_is_within(route.destination, network) and route.interface != best.interface for route in alike):
        return Names()
    way, notes = told
    notes.append(f"{way} {best.interface}: from the route to {best.destination}")
    return Names(best.interface)


def _is_within(inner: Network, outer: Network) -> bool:
    return inner.subnet_of(outer)  # type: ignore[arg-type]  # both are of one family


def _type(network: Network, own: Sequence[object]) -> frozenset[str]:
    """What the routing table calls an address, as far as natfix knows: one of the host's, a group, or any other."""
    if _is_within(network, _MULTICAST[family_of(network)]):
        return frozenset({"MULTICAST"})
    if network.num_addresses == 1 and ip_address(network.network_address) in own:
        return _LOCAL
    return frozenset({"UNICAST"})
