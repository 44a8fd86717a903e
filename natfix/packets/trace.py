"""Following packets through the tables of a host, rule by rule, for people who want to know why.

The order of tables at a hook is that of their priorities (linux/netfilter_ipv4.h): raw, mangle, nat for destinations, filter,
security, nat for sources. A connection is bound once: after a source NAT no later nat chain is asked for a source, and a
packet that is not tracked meets no nat chain at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from natfix.packets.bits import UNKNOWN
from natfix.packets.intervals import Intervals
from natfix.packets.names import Names
from natfix.packets.outcome import Fate, Outcome
from natfix.packets.packetset import PacketSet, every_address
from natfix.packets.sets import IpSets
from natfix.packets.target import DESTINATION_NAT_TARGETS, SOURCE_NAT_TARGETS, UNTRACKED, alters_mark, ends_tracking
from natfix.packets.walk import Visit, walk
from natfix.ruleset import Rule, Table, parse_network

# The chains that a packet passes, in the kernel's order: on its way through the host or into it, and out of it.
THROUGH: Final = (
    ("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("nat", "PREROUTING"),
    ("mangle", "INPUT"), ("filter", "INPUT"), ("security", "INPUT"), ("nat", "INPUT"),
    ("mangle", "FORWARD"), ("filter", "FORWARD"), ("security", "FORWARD"), ("mangle", "POSTROUTING"), ("nat", "POSTROUTING"),
)  # fmt: skip
OUT: Final = (
    ("raw", "OUTPUT"), ("mangle", "OUTPUT"), ("nat", "OUTPUT"), ("filter", "OUTPUT"), ("security", "OUTPUT"),
    ("mangle", "POSTROUTING"), ("nat", "POSTROUTING"),
)  # fmt: skip
_LOCAL: Final = frozenset({"LOCAL"})
_FORWARDED: Final = frozenset({"UNICAST"})
_SOURCE_HOOKS = frozenset({"POSTROUTING", "INPUT"})
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_SOURCE_NAT = 100
# Connections are looked up at this priority; a chain that is asked before sees none, which -m conntrack calls invalid.
_TRACKING: Final = -200
_NOBODYS: Final = frozenset({"INVALID"})
# Before it is routed a packet leaves by no device, and one that this host makes came in by none.
_NO_DEVICE = Names("")


@dataclass(frozen=True, slots=True)
class Place:
    """One chain where packets pass.

    Attributes:
        table: the table; where connections are bound it is called nat.
        chain: the one that the kernel calls there: ``POSTROUTING``.
        origin: whose table it is: ``iptables-nft``, or the name of a file.
        hook: where in the way it lies; empty for a built-in chain, which is called as its hook.
        priority: lower is asked first at the same hook; None for that of the table in iptables.
        ipsets: sets that only its rules know.
    """

    table: Table
    chain: str
    origin: str
    hook: str = ""
    priority: int | None = None
    ipsets: IpSets = field(default_factory=dict, hash=False)

    @property
    def where(self) -> str:
        """The hook, such as ``POSTROUTING``."""
        return self.hook or self.chain

    @property
    def order(self) -> int:
        """The priority, spelled out or that of the table in iptables (linux/netfilter_ipv4.h)."""
        if self.priority is not None:
            return self.priority
        return _SOURCE_NAT if self.table.name == "nat" and self.where in _SOURCE_HOOKS else _PRIORITIES.get(self.table.name, 0)


@dataclass(frozen=True, slots=True)
class Step:
    """A rule that packets came to.

    Attributes:
        depth: how many chains were called to come here.
        rule: the rule.
        matched: the packets it matches, as they are by now.
        missed: those it does not.
        unknown: the words that leave in doubt whether it matches.
        refused: when it matches nothing, the words that nothing met.
    """

    depth: int
    rule: Rule
    matched: tuple[PacketSet, ...]
    missed: tuple[PacketSet, ...]
    unknown: tuple[str, ...]
    refused: str


@dataclass(frozen=True, slots=True)
class Stage:
    """What one chain, and those it calls, did with packets.

    Attributes:
        place: the chain.
        came: the packets as they came.
        steps: the rules they came to, in the kernel's order; none where nobody asked for them.
        outcomes: what became of them; a partition, where nothing is in doubt.
    """

    place: Place
    came: PacketSet
    steps: tuple[Step, ...]
    outcomes: tuple[Outcome, ...]


class Standing(NamedTuple):
    """A rule, and where it stands.

    Attributes:
        rule: the rule.
        table: the name of its table: ``mangle``; empty for one of nft's own, whose name is in *origin*.
        origin: whose table it is: ``iptables-nft``, the name of a file, ``table ip docker-bridges``.
    """

    rule: Rule
    table: str
    origin: str

    def __str__(self) -> str:
        """Spell it for people: ``rule 1 of PREROUTING in mangle (iptables-nft)``."""
        where = f"{self.table} ({self.origin})" if self.table else self.origin
        return f"rule {self.rule.number} of {self.rule.home} in {where}"


@dataclass(frozen=True, slots=True)
class End:
    """A part of the packets, and how it left.

    Attributes:
        packets: as they leave, before their source is rewritten: destination and mark may be others than at first.
        fate: ACCEPT (the source stays), SOURCE_NAT, DROP, or DESTINATION_NAT for what REDIRECT hands to this host.
        rule: the rule that decided about the source, or dropped; None for a policy.
        doubts: what natfix cannot evaluate on the way; with any, this end is possible, not certain.
        untracked: whether the connection is not tracked, so that no nat chain was asked.
        bound: the rule that gave the connection a source, its own one included, so that no later chain is asked for one.
        changed: the rules that changed the mark, or ended the tracking, in the order in which they were met.
    """

    packets: PacketSet
    fate: Fate
    rule: Rule | None
    doubts: tuple[str, ...] = ()
    untracked: bool = False
    bound: Standing | None = None
    changed: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The story of packets: every chain they passed, and every end they came to."""

    stages: tuple[Stage, ...]
    ends: tuple[End, ...]


@dataclass(frozen=True, slots=True)
class _Track:
    """Packets between two chains."""

    packets: PacketSet
    doubts: tuple[str, ...] = ()
    bound: frozenset[str] = frozenset()
    fate: Fate = Fate.ACCEPT
    rule: Rule | None = None
    untracked: bool = False
    source: Standing | None = None
    changed: tuple[Standing, ...] = ()

    def end(self) -> End:
        return End(self.packets, self.fate, self.rule, self.doubts, self.untracked, self.source, self.changed)


def follow(places: Iterable[Place], packets: PacketSet, *, ipsets: IpSets | None = None, steps: bool = True) -> Trace:
    """Follow *packets* through *places*.

    Args:
        places: the chains in the kernel's order.
        packets: one packet, or a set; its ``in_interface`` and ``out_interface`` count where a chain can see them. What is for
            this host (``destination_type`` LOCAL) comes to INPUT, all else to FORWARD and POSTROUTING.
        ipsets: the host's sets by their names.
        steps: whether each rule that packets come to is told; else only what each chain makes of them, which is faster.

    Raises:
        RulesetSyntaxError: chains call each other in a circle.
        UnsupportedError: chains are nested deeper than anybody nests them.
    """
    tracks = [_Track(packets)]
    stages: list[Stage] = []
    ends: list[End] = []
    for place in places:
        onward: list[_Track] = []
        for track in tracks:
            if _passes_by(track, place):
                onward.append(track)
                continue
            stage = _stage(place, track.packets, ipsets, told=steps)
            stages.append(stage)
            for each in (_after(track, place, outcome) for outcome in stage.outcomes):
                if each.fate is Fate.DROP or _is_handed_over(each):
                    ends.append(each.end())
                else:
                    onward.append(each)
        tracks = list(dict.fromkeys(onward))
    return Trace(tuple(stages), (*ends, *(track.end() for track in tracks)))


def _passes_by(track: _Track, place: Place) -> bool:
    # What this host sends to itself leaves it all the same, and comes to no INPUT here.
    comes_in = track.packets.in_interface != _NO_DEVICE
    if comes_in and place.where in {"INPUT", "FORWARD", "POSTROUTING"}:
        here = track.packets.destination_type == _LOCAL
        if here is not (place.where == "INPUT"):
            return True
    return place.table.name == "nat" and (track.untracked or _kind(place) in track.bound)


def _kind(place: Place) -> str:
    return "source" if place.where in _SOURCE_HOOKS else "destination"


def _is_handed_over(track: _Track) -> bool:
    return track.fate is Fate.DESTINATION_NAT and track.rule is not None and track.rule.target == "REDIRECT"


def _stage(place: Place, packets: PacketSet, ipsets: IpSets | None, *, told: bool) -> Stage:
    came = _as_seen(place, packets)
    steps: list[Step] = []

    def seen(visit: Visit) -> None:
        steps.append(_step(visit))

    outcomes = walk(place.table, place.chain, came, ipsets={**(ipsets or {}), **place.ipsets}, seen=seen if told else None)
    return Stage(place, came, tuple(steps), outcomes)


def _as_seen(place: Place, packets: PacketSet) -> PacketSet:
    """The packets as a chain sees them: before it is looked up their connection is unknown, before the routing their device."""
    if _is_before_tracking(place):
        packets = packets.having("connmark", UNKNOWN)
        packets = packets.having("state", _NOBODYS) if packets.state != UNTRACKED else packets
    if place.where == "POSTROUTING":
        return packets if place.hook else packets.having("in_interface", None)
    if place.where == "OUTPUT":
        return packets.having("in_interface", _NO_DEVICE)
    return packets if place.where == "FORWARD" else packets.having("out_interface", _NO_DEVICE)


def _is_before_tracking(place: Place) -> bool:
    return place.order < _TRACKING and place.where in {"PREROUTING", "OUTPUT"}


def _step(visit: Visit) -> Step:
    parted = visit.parted
    return Step(
        visit.depth,
        visit.rule,
        tuple(piece.packets for piece in parted.inside),
        tuple(piece.packets for piece in parted.outside),
        parted.unknown,
        parted.refused,
    )


def _after(track: _Track, place: Place, outcome: Outcome) -> _Track:
    """The packets of one outcome, as they go on."""
    # Only what the chain could not see is as it was before.
    packets = outcome.packets
    if place.where == "OUTPUT" or (place.where == "POSTROUTING" and not place.hook):
        packets = packets.having("in_interface", track.packets.in_interface)
    if place.where not in {"POSTROUTING", "FORWARD", "OUTPUT"}:
        packets = packets.having("out_interface", track.packets.out_interface)
    if _is_before_tracking(place):
        packets = packets.having("connmark", track.packets.connmark)
        packets = packets.having("state", track.packets.state) if packets.state == _NOBODYS else packets
    if outcome.change:
        packets = packets.having("mark", outcome.change.of(packets.mark))
    doubts = tuple(dict.fromkeys((*track.doubts, *outcome.unknown)))
    changed = tuple(_standing(place, rule) for rule in outcome.path if _alters(place, outcome, rule))
    gone = replace(track, packets=packets, doubts=doubts, changed=(*track.changed, *changed))
    return _decided(gone, place, outcome)


def _alters(place: Place, outcome: Outcome, rule: Rule) -> bool:
    """Whether a rule that packets met on their way changed their mark, or ended the tracking of their connection."""
    if rule is outcome.rule or place.table.chain(rule.target) is not None or rule.target == "RETURN":
        return False
    return alters_mark(rule) or ends_tracking(rule)


def _standing(place: Place, rule: Rule) -> Standing:
    return Standing(rule, "" if place.hook else place.table.name, place.origin)


def _decided(track: _Track, place: Place, outcome: Outcome) -> _Track:
    """What the chain decided about the packets."""
    target = outcome.rule.target if outcome.rule else ""
    if outcome.fate is Fate.DROP:
        return replace(track, fate=Fate.DROP, rule=outcome.rule)
    if track.packets.state == UNTRACKED:
        return replace(track, untracked=True)
    if target in SOURCE_NAT_TARGETS and outcome.rule is not None:
        source = _standing(place, outcome.rule)
        return replace(track, fate=outcome.fate, rule=outcome.rule, bound=track.bound | {"source"}, source=source)
    if target in DESTINATION_NAT_TARGETS and outcome.rule is not None:
        bound = replace(track, bound=track.bound | {"destination"})
        return _redirected(bound, outcome.rule)
    return track


def _redirected(track: _Track, rule: Rule) -> _Track:
    """Give the packets the destination that DNAT names; REDIRECT hands them to this host."""
    if rule.target == "REDIRECT":
        return replace(track, fate=Fate.DESTINATION_NAT, rule=rule)
    option = rule.option("to-destination", "DNAT")
    text = option.value if option else ""
    packets = _sent_to(track.packets, text)
    if packets is not None:
        return replace(track, packets=packets)
    anywhere = _routed(track.packets).having("destination", every_address(track.packets.family))
    return replace(track, packets=anywhere, doubts=(*track.doubts, f"-j DNAT --to-destination {text}"))


def _sent_to(packets: PacketSet, text: str) -> PacketSet | None:
    """The packets with the one destination *text* names, as ``10.0.0.1``, ``10.0.0.1:80`` or ``[fd00::1]:80``."""
    where, _, port = text.removeprefix("[").partition("]:") if text.startswith("[") else _ends(text)
    try:
        network = parse_network(where.removesuffix("]"))
    except ValueError:  # a range, of which the kernel chooses
        return None
    if network.num_addresses > 1 or network.version != packets.family or (port and not port.isdecimal()):
        return None
    sent = _routed(packets).having("destination", Intervals.networks([network]))
    return sent.having("destination_port", Intervals.single(int(port))) if port else sent


def _routed(packets: PacketSet) -> PacketSet:
    """Packets for this host that DNAT sends on; whether their new destination is this host too, nobody told."""
    return packets.having("destination_type", _FORWARDED) if packets.destination_type == _LOCAL else packets


def _ends(text: str) -> tuple[str, str, str]:
    return (text, "", "") if text.count(":") > 1 else text.partition(":")


def passed(tables: Sequence[tuple[str, Table]], way: Sequence[tuple[str, str]]) -> Iterator[Place]:
    """The places of a *way* that *tables*, each with its origin, have; those at one hook in the order of *tables*."""
    for name, chain in way:
        for origin, table in tables:
            if table.name == name and table.chain(chain) is not None:
                yield Place(table, chain, origin)


def in_order(places: Iterable[Place], way: Sequence[tuple[str, str]]) -> tuple[Place, ...]:
    """Sort places as a *way* comes to them: by hook, then by priority, those of one priority as they were."""
    hooks = list(dict.fromkeys(chain for _, chain in way))
    return tuple(
        sorted((each for each in places if each.where in hooks), key=lambda each: (hooks.index(each.where), each.order))
    )
