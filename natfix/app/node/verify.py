"""Try every peer: does it answer, and as whom does it see this host's containers?

What this host sends from its own bridge's address takes the way of its containers' packets and meets the same rules. As whom
it arrives the peer's agent tells (``/seen`` beside its health); where no agent tells, this host's connection tracking does, as
far as the rewriting is this host's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from natfix.app.node.survey import Survey
from natfix.errors import HostError
from natfix.report.verification import PeerAnswer, Verification
from natfix.routing.backends import Peering
from natfix.routing.lease import Lease
from natfix.routing.state import Address


class Prober(Protocol):
    """Sends, and sees what becomes of it."""

    def ping(self, source: Address, targets: Sequence[Address], count: int) -> Mapping[Address, float]:
        """Send *count* echo requests to each; for those that answer the fastest time, in milliseconds.

        Raises:
            HostError: this host does not have *source*, or no rights.
        """
        ...

    def rewritten(self, source: Address, targets: Sequence[Address]) -> Mapping[Address, Address]:
        """As whom this host's kernel lets what it tracks from *source* to each go on its way; none where it tracks nothing.

        Raises:
            HostError: no rights.
        """
        ...

    def ask(self, source: Address, target: Address, port: int) -> Address | None:
        """Ask the agent at *target* as whom it sees *source*; None when none answers."""
        ...


def verify(seen: Survey, prober: Prober, *, port: int, count: int) -> Verification:
    """Try every peer.

    Args:
        seen: this host and its peers.
        prober: sends.
        port: where the peers' agents tell their health; 0 to ask none.
        count: how many echo requests each gets.

    Raises:
        HostError: this host has no address in its own subnet.
    """
    sources = []
    found: dict[tuple[str, int], PeerAnswer] = {}
    for network in seen.own.subnet.networks:
        source = network[1]
        if not any(source == one.ip for link in seen.links.links for one in link.addresses):
            raise HostError(
                f"this host does not have {source}, the first address of its subnet, so that nothing can be tried from it",
                hint="Docker's bridge has it when Docker runs with the --bip of subnet.env: see natfix node run --docker.",
            )
        sources.append(str(source))
        for answer in _try(seen, prober, source, port, count):
            found[answer.subnet, network.version] = answer
    order = [(str(own), own.version) for lease, _ in seen.peers for own in lease.subnet.networks]
    return Verification(tuple(sources), tuple(found[key] for key in order if key in found))


def _try(seen: Survey, prober: Prober, source: Address, port: int, count: int) -> list[PeerAnswer]:
    peers = [
        (lease, peering, own) for lease, peering in seen.peers for own in lease.subnet.networks if own.version == source.version
    ]
    targets = [own[1] for _, _, own in peers]
    times = prober.ping(source, targets, count)
    tracked = prober.rewritten(source, targets)
    answers = []
    for lease, peering, own in peers:
        target = own[1]
        told = prober.ask(source, target, port) if port and target in times else None
        as_whom = told or tracked.get(target)
        witness = "peer" if told else "conntrack" if as_whom else ""
        answers.append(_answer(lease, peering, own, (times.get(target), as_whom, witness, source)))
    return answers


def _answer(
    lease: Lease,
    peering: Peering,
    own: IPv4Network | IPv6Network,
    said: tuple[float | None, Address | None, str, Address],
) -> PeerAnswer:
    milliseconds, as_whom, witness, source = said
    host = lease.attributes.public_ip if own.version == 4 else lease.attributes.public_ipv6  # noqa: PLR2004
    return PeerAnswer(
        subnet=str(own),
        host=str(host),
        target=str(own[1]),
        milliseconds=milliseconds,
        seen=None if as_whom is None else str(as_whom),
        witness=witness,
        wanted=str(source),
        note="" if peering.finding is None else str(peering.finding),
    )
