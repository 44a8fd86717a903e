"""What all peers want together: at each place of the kernel one entry, and a word where two want different ones.

Two hosts may tell the same MAC of their tunnels' ends, as when one was copied from the other. The kernel has one forwarding
entry for it, so the host whose subnet comes first has it, whatever the order in which leases come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from natfix.routing.backends.peering import Finding, Peering
from natfix.routing.state import Entry, FdbEntry, LinkAddress, Neighbour, NetState, Route, VxlanDevice
from natfix.routing.subnet import Subnet

Place: TypeAlias = tuple[object, ...]

_COPIED: Final = "Was one host copied from the other? Give one a machine-id of its own, and restart its agent."
_RELEASE: Final = "Release one of the two leases."


@dataclass(frozen=True, slots=True)
class Union:
    """What this host and its peers want together.

    Attributes:
        state: no two entries of it are at the same place.
        peers: for each peer what it wants and gets; with a finding where another one has a place that it wants.
    """

    state: NetState
    peers: Mapping[Subnet, Peering]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Why peers are not reached, or not as they should be; sorted by subnet."""
        return tuple(peering.finding for peering in self.peers.values() if peering.finding is not None)


def unite(own: NetState, peers: Iterable[tuple[Subnet, Peering]]) -> Union:
    """Put together what is wanted.

    Args:
        own: what this host wants whoever its peers are; it comes first.
        peers: each peer's subnet, once, and what it wants.
    """
    there: dict[Place, tuple[Subnet | None, Entry]] = {place(entry): (None, entry) for entry in entries(own)}
    judged = {}
    for subnet, peering in sorted(peers, key=lambda one: one[0].place):
        lost = []
        for entry in entries(peering.state):
            holder, held = there.setdefault(place(entry), (subnet, entry))
            if held != entry:
                lost.append((holder, entry))
        judged[subnet] = _without(peering, subnet, lost) if lost else peering
    return Union(gather(entry for _, entry in there.values()), judged)


def place(entry: Entry) -> Place:
    """Where in the kernel an entry is: another one with the same place is there instead of it."""
    match entry:
        case Route():
            return ("route", entry.destination, entry.metric)
        case Neighbour():
            return ("neighbour", entry.link, entry.address)
        case FdbEntry():
            return ("fdb", entry.link, entry.mac)
        case LinkAddress():
            return ("address", entry.link, entry.address)
    return ("device", entry.name)


def entries(state: NetState) -> Iterator[Entry]:
    """Everything in a state."""
    yield from state.devices
    yield from state.addresses
    yield from state.fdb
    yield from state.neighbours
    yield from state.routes


def gather(found: Iterable[Entry]) -> NetState:
    """A state of entries."""
    kinds: dict[type[Entry], list[Entry]] = {}
    for entry in found:
        kinds.setdefault(type(entry), []).append(entry)
    return NetState(
        frozenset(one for one in kinds.get(VxlanDevice, ()) if isinstance(one, VxlanDevice)),
        frozenset(one for one in kinds.get(LinkAddress, ()) if isinstance(one, LinkAddress)),
        frozenset(one for one in kinds.get(Route, ()) if isinstance(one, Route)),
        frozenset(one for one in kinds.get(Neighbour, ()) if isinstance(one, Neighbour)),
        frozenset(one for one in kinds.get(FdbEntry, ()) if isinstance(one, FdbEntry)),
    )


def _without(peering: Peering, subnet: Subnet, lost: Iterable[tuple[Subnet | None, Entry]]) -> Peering:
    """What is left to a peer when others have some of its places, and why."""
    several = tuple(lost)
    gone = {entry for _, entry in several}
    told = sorted({_problem(subnet, *one) for one in several})
    if peering.finding is not None:
        told.insert(0, (peering.finding.problem, peering.finding.hint))
    hints = " ".join(dict.fromkeys(hint for _, hint in told))
    finding = Finding(subnet, "; ".join(problem for problem, _ in told), hints)
    return replace(peering, state=gather(one for one in entries(peering.state) if one not in gone), finding=finding)


def _problem(subnet: Subnet, holder: Subnet | None, entry: Entry) -> tuple[str, str]:
    other = "this host" if holder is None else f"the host with {holder}"
    if isinstance(entry, FdbEntry):
        return f"the host with {subnet} at {entry.remote} has the same tunnel MAC {entry.mac} as {other}", _COPIED
    return f"the lease of {subnet} wants what {other} has already", _RELEASE
