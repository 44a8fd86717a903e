"""What the kernel shall have, indexed so that one changed lease costs what one lease costs, however many there are.

Two peers can want different things at one place of the kernel, such as two hosts with the same MAC: the one whose subnet comes
first has it, and the other gets it when that one goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from natfix.routing.state import Entry, NetState, Network, Route
from natfix.routing.subnet import Subnet
from natfix.routing.union import Place, entries, gather, place

# Comes before every subnet: what this host has whoever its peers are.
_OWN: Final = None
_NOTHING: Final = NetState()


class Wanted:
    """What this host and its peers want.

    Args:
        own: what is wanted whoever the peers are.
    """

    def __init__(self, own: NetState) -> None:
        self._states: dict[Subnet | None, NetState] = {}
        self._there: dict[Place, tuple[Subnet | None, Entry]] = {}
        self._waiting: dict[Place, dict[Subnet | None, Entry]] = {}
        self._whole: NetState | None = None
        self._put(_OWN, own)

    def __contains__(self, subnet: Subnet) -> bool:
        return subnet in self._states

    def __len__(self) -> int:
        """How many entries there are."""
        return len(self._there)

    @property
    def whole(self) -> NetState:
        """All that is wanted; made anew after a change only."""
        if self._whole is None:
            self._whole = gather(entry for _, entry in self._there.values())
        return self._whole

    def route_to(self, destination: Network, metric: int = 0) -> Route | None:
        """The route that is wanted to a network, if one is."""
        _, entry = self._there.get(("route", destination, metric), (None, None))
        return entry if isinstance(entry, Route) else None

    def change(self, states: Collection[tuple[Subnet | None, NetState | None]]) -> tuple[NetState, NetState]:
        """Let peers want something else, or nothing any more.

        Args:
            states: peers (None for this host itself), each once, and what it wants now; None when it is gone.

        Returns:
            What was there before and what is wanted now, at the places that may differ alone.
        """
        touched = {place(entry) for peer, state in states for entry in self._differing(peer, state or _NOTHING)}
        before = gather(self._there[one][1] for one in touched if one in self._there)
        for peer, state in states:
            self._take(peer)
            if state is not None:
                self._put(peer, state)
        self._whole = None if touched else self._whole
        return before, gather(self._there[one][1] for one in touched if one in self._there)

    def _differing(self, peer: Subnet | None, state: NetState) -> Iterable[Entry]:
        old = self._states.get(peer, _NOTHING)
        return () if old == state else {*entries(old)} ^ {*entries(state)}

    def _put(self, peer: Subnet | None, state: NetState) -> None:
        self._states[peer] = state
        for entry in entries(state):
            where = place(entry)
            held = self._there.get(where)
            if held is None:
                self._there[where] = (peer, entry)
            elif _comes_first(peer, held[0]):
                self._waiting.setdefault(where, {})[held[0]] = held[1]
                self._there[where] = (peer, entry)
            else:
                self._waiting.setdefault(where, {})[peer] = entry

    def _take(self, peer: Subnet | None) -> None:
        for entry in entries(self._states.pop(peer, _NOTHING)):
            where = place(entry)
            waiting = self._waiting.get(where, {})
            if self._there[where][0] != peer:
                del waiting[peer]
            elif waiting:
                heir = min(one for one in waiting if one is not None)
                self._there[where] = (heir, waiting.pop(heir))
            else:
                del self._there[where]
            if not waiting:
                self._waiting.pop(where, None)


def _comes_first(peer: Subnet | None, other: Subnet | None) -> bool:
    return peer is None or (other is not None and peer < other)
