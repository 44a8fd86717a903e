"""Compare what the leases want with what the kernel has, peer by peer."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.app.node.forwarding import read_all
from natfix.app.node.ports import DataPlane
from natfix.app.node.survey import Survey
from natfix.app.node.voice import describe
from natfix.report.routes import PeerRoutes, RoutesReport, Verdict
from natfix.routing.backends import Peering
from natfix.routing.difference import diff, obstacles
from natfix.routing.lease import Lease
from natfix.routing.state import NetState, Route
from natfix.routing.union import entries, place, unite


def compare(seen: Survey, plane: DataPlane) -> RoutesReport:
    """Read the kernel and compare.

    Raises:
        HostError: the kernel does not answer.
    """
    actual = read_all(plane, seen.backend, seen.links)
    own = seen.backend.own()
    union = unite(own, [(lease.subnet, peering) for lease, peering in seen.peers])
    desired = union.state
    kernel = _Kernel(actual, obstacles(actual, desired, seen.backend.domain))
    peers = [kernel.judge(seen.own, Peering(own))] if own != NetState() else []
    peers += [kernel.judge(lease, union.peers[lease.subnet]) for lease, _ in seen.peers]
    stale = [one.entry for one in diff(actual, desired, seen.backend.domain) if not one.put]
    wanted = {place(entry) for entry in entries(desired)}
    peers += [
        PeerRoutes(str(one.destination), "", "stale", notes=(f"no lease wants: {describe(one)}",))
        for one in stale
        if isinstance(one, Route) and place(one) not in wanted
    ]
    networks = " and ".join(map(str, seen.config.networks))
    return RoutesReport(str(seen.own.subnet), networks, seen.config.backend.type, tuple(peers))


class _Kernel:
    """What is there."""

    def __init__(self, actual: NetState, foreign: tuple[Route, ...]) -> None:
        self._there = set(entries(actual))
        self._places = {place(entry): entry for entry in entries(actual)}
        self._foreign = {place(route): route for route in foreign}

    def judge(self, lease: Lease, peering: Peering) -> PeerRoutes:
        """Compare one host's part."""
        told = lease.attributes
        host = " and ".join(str(one) for one in (told.public_ip, told.public_ipv6) if one is not None)
        wanted = sorted(entries(peering.state), key=lambda entry: str(place(entry)))
        notes = tuple(self._notes(peering))
        return PeerRoutes(str(lease.subnet), host, self._verdict(peering), tuple(map(describe, wanted)), notes)

    def _verdict(self, peering: Peering) -> Verdict:
        wanted = set(entries(peering.state))
        lacking = wanted - self._there
        if not lacking:
            return "unreachable" if peering.finding is not None else "right"
        if any(place(entry) in self._foreign for entry in lacking):
            return "obstructed"
        return "missing" if lacking == wanted and not any(place(entry) in self._places for entry in lacking) else "different"

    def _notes(self, peering: Peering) -> Iterator[str]:
        if peering.finding is not None:
            yield str(peering.finding)
        for entry in sorted(set(entries(peering.state)) - self._there, key=lambda one: str(place(one))):
            instead = self._places.get(place(entry))
            if place(entry) in self._foreign:
                yield f"somebody else's: {describe(self._foreign[place(entry)])}"
            elif instead is not None:
                yield f"the kernel has: {describe(instead)}"
            else:
                yield f"not there: {describe(entry)}"
