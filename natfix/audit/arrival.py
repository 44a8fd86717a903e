"""What comes to one nat table of a host: packets as the chains leave them that the kernel asks before it.

A packet meets the tables of iptables and those of nft's own in the order of hooks and priorities, whoever wrote them. Chains
before a nat table can mark packets, end the tracking of their connections, or give these a source, after which no later chain
is asked for one. Of chains at one priority in POSTROUTING nobody tells the order unless nft lists both; they are left out.

So is what only lets packets pass or not: a rule hides the addresses of all that filters may let through. So are DNAT and
REDIRECT: packets between containers of a cluster have the addresses of both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from natfix.audit.guard import TABLE
from natfix.audit.subject import BEFORE_NAT, HOOK, Locality, Subject
from natfix.packets import Fate, Names, PacketSet
from natfix.packets.names import EVERY_NAME
from natfix.packets.target import PASSING_TARGETS, ends_tracking
from natfix.packets.trace import THROUGH, End, Place, Standing, follow, in_order, passed
from natfix.ruleset import Table

_WAY: Final = (*BEFORE_NAT, ("nat", HOOK))
# What leaves packets as they are, or only lets them pass or not, or gives them another destination.
_NOT_DOING: Final = PASSING_TARGETS - {"CT", "SET"} | {"ACCEPT", "DROP", "REJECT", "RETURN", "DNAT", "REDIRECT", "QUEUE"}
_TARGET: Final = " -j "


@dataclass(frozen=True, slots=True)
class Arrival:
    """A part of packets as it comes to a table.

    Attributes:
        packets: the part, with the mark it has by then.
        fate: DROP for what does not come to it.
        doubts: what natfix cannot evaluate on the way.
        marked: the rules that made its mark another one than it had.
        lost: why the table is not asked about it, and what sees to that; None when it is.
        first: the rule of another table that rewrites its source before.
    """

    packets: PacketSet
    fate: Fate = Fate.ACCEPT
    doubts: tuple[str, ...] = ()
    marked: tuple[Standing, ...] = ()
    lost: Loss | None = None
    first: Standing | None = None


@dataclass(frozen=True, slots=True)
class Loss:
    """Why a rule does packets no harm that it would rewrite.

    Attributes:
        by: what sees to that.
        how: it in words.
    """

    by: str
    how: str


def places_of(tables: Sequence[tuple[str, Table]], native: Iterable[Place] = ()) -> tuple[Place, ...]:
    """The chains of a host that change what later nat chains do, in the order in which the kernel asks them.

    Args:
        tables: those of iptables, each with its origin.
        native: chains of nft's own.
    """
    own = (place for place in native if not place.origin.endswith(f" {TABLE}") and not _redirects(place))
    return tuple(place for place in in_order([*passed(tables, _WAY), *own], THROUGH) if _does_something(place))


def _redirects(place: Place) -> bool:
    return place.table.name == "nat" and place.where != HOOK


def _does_something(place: Place) -> bool:
    table = place.table
    written = (table.lines[line] for found in table.places.values() for line in found)
    # Lines of most rules are not even cut into words.
    if table.places and table.name != "nat" and not any(_may_do_something(line, table) for line in written):
        return False
    rules = (rule for chain in table.reached_from(place.chain) for rule in chain.rules)
    return any(rule.target not in _NOT_DOING and table.chain(rule.target) is None for rule in rules)


def _may_do_something(line: str, table: Table) -> bool:
    before, _, after = line.rpartition(_TARGET)
    target = after.rstrip().partition(" ")[0]
    # The words may stand in a comment.
    return _TARGET in before or (target not in _NOT_DOING and target not in table.declared)


def before(places: Sequence[Place], own: Place) -> tuple[Place, ...]:
    """Those of *places* that the kernel asks before *own*, a chain for source NAT."""
    found = []
    alike = [place for place in places if place.table.family is own.table.family]
    here = next((number for number, place in enumerate(alike) if place.table is own.table and place.chain == own.chain), -1)
    for number, place in enumerate(alike):
        together = place.where == HOOK and place.order == own.order
        known = place.priority is not None and own.priority is not None and number < here
        if number != here and (known if together else place.where != HOOK or place.order < own.order):
            found.append(place)
    return tuple(found)


def arrivals(subject: Subject, packets: PacketSet, locality: Locality) -> tuple[Arrival, ...]:
    """What comes to the table of *packets*, which are of *locality*: a partition, where nothing is in doubt."""
    if not subject.before:
        return (Arrival(packets),)
    key = arrivals, packets, locality
    if key not in subject.made:
        subject.made[key] = tuple(_followed(subject, packets, locality))
    made: tuple[Arrival, ...] = subject.made[key]
    return made


def _followed(subject: Subject, packets: PacketSet, locality: Locality) -> Iterator[Arrival]:
    device = Names(locality.bridge or EVERY_NAME)
    coming = packets if packets.in_interface is not None else packets.having("in_interface", device)
    ends = follow(subject.before, coming, ipsets=subject.ipsets, steps=False).ends
    return (_arrival(end, coming, subject, locality) for end in ends)


def _arrival(end: End, coming: PacketSet, subject: Subject, locality: Locality) -> Arrival:
    is_marked = (end.packets.mark, end.packets.connmark) != (coming.mark, coming.connmark)
    marked = end.changed if is_marked else ()
    doubts = end.doubts
    came = end.packets.in_interface
    if not locality.bridge and came is not None and not came.pattern.endswith("+"):
        # Where nobody told which device they come by, this is only one of those that they can come by.
        doubts = (*doubts, f"-i {came.pattern}")
    # What came in by is not for POSTROUTING of iptables to see.
    packets = end.packets if subject.native else end.packets.having("in_interface", None)
    return Arrival(packets, end.fate, doubts, marked, _loss(end), end.bound if end.fate is Fate.SOURCE_NAT else None)


def _loss(end: End) -> Loss | None:
    if end.untracked:
        last = next(each for each in reversed(end.changed) if ends_tracking(each.rule))
        return Loss(str(last), "ends the tracking of their connections, so that no nat table is asked")
    if end.fate is Fate.ACCEPT and end.bound is not None:
        return Loss(str(end.bound), "gives them their own address first")
    return None
