"""``natfix routes``: what the leases want beside what the kernel has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from natfix.report.document import headed
from natfix.report.lines import Line, Style, shown

Verdict: TypeAlias = Literal["right", "missing", "different", "stale", "obstructed", "unreachable"]

_STYLES: dict[Verdict, Style] = {
    "right": "good",
    "missing": "bad",
    "different": "bad",
    "stale": "warn",
    "obstructed": "bad",
    "unreachable": "warn",
}


@dataclass(frozen=True, slots=True)
class PeerRoutes:
    """One peer.

    Attributes:
        subnet: its containers'; of what no lease wants, where it leads.
        host: where it is.
        verdict: ``right``; ``missing`` (nothing of it is there), ``different`` (a part is, or something else), ``stale`` (no
            lease wants it), ``obstructed`` (somebody else's route is in its place), ``unreachable`` (no route can lead there).
        entries: what is wanted, as the command ip spells it.
        notes: what is wrong.
    """

    subnet: str
    host: str
    verdict: Verdict
    entries: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RoutesReport:
    """All of them.

    Attributes:
        own: this host's subnet.
        network: the cluster's.
        backend: how peers are reached.
        peers: in the order of their subnets; what belongs to no peer last.
    """

    own: str
    network: str
    backend: str
    peers: tuple[PeerRoutes, ...]

    @property
    def right(self) -> bool:
        """Whether the kernel has what the leases want; a peer that no route can lead to is no drift."""
        return all(peer.verdict in {"right", "unreachable"} for peer in self.peers)


def routes_lines(report: RoutesReport) -> Iterable[Line]:
    """It for people."""
    yield Line(f"{report.own} of {report.network}, {report.backend}", "strong")
    width = max((len(peer.subnet) for peer in report.peers), default=0)
    for peer in report.peers:
        at = f"  {peer.host}" if peer.host else ""
        yield Line(f"{peer.verdict:<11}  {peer.subnet:<{width}}{at}".rstrip(), _STYLES[peer.verdict])
        for entry in peer.entries:
            yield Line(f"    {entry}", "dim" if peer.verdict == "right" else "")
        for note in peer.notes:
            for line in note.splitlines():
                yield Line(f"    {shown(line).strip()}", "warn")
    wrong = sum(peer.verdict not in {"right", "unreachable"} for peer in report.peers)
    if wrong:
        yield Line(
            f"{wrong} of {len(report.peers)} are not as the leases want them; an agent (natfix node run) puts them right"
        )
    else:
        yield Line("the kernel has what the leases want", "good")


def routes_document(report: RoutesReport) -> dict[str, Any]:
    """It for programs; docs/schemas/routes-1.json."""
    return headed(
        right=report.right,
        subnet=report.own,
        network=report.network,
        backend=report.backend,
        peers=[
            {
                "subnet": peer.subnet,
                "host": peer.host or None,
                "verdict": peer.verdict,
                "entries": list(peer.entries),
                "notes": list(peer.notes),
            }
            for peer in report.peers
        ],
    )
