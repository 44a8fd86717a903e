"""The cluster's networks as files and flags of running programs tell them: read as those programs do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from natfix.ruleset import Network, parse_network


def read_cidrs(text: str) -> tuple[Network, ...]:
    """Read what another program has in force, host bits cut off as they do, unusable parts passed over as flannel does."""
    return merge(_usable(text.split(",")))


def merge(networks: Iterable[Network]) -> tuple[Network, ...]:
    """Sort *networks* and leave out those inside another; neighbours stay apart, so that nobody reads what nobody wrote."""
    kept: list[Network] = []
    for network in sorted(networks, key=lambda one: (one.version, int(one.network_address), one.prefixlen)):
        if not (kept and _holds(kept[-1], network)):
            kept.append(network)
    return tuple(kept)


def _usable(texts: Iterable[str]) -> Iterator[Network]:
    for text in texts:
        try:
            network = parse_network(text.strip())
        except ValueError:
            continue
        if network.prefixlen:
            yield network


def _holds(outer: Network, inner: Network) -> bool:
    return outer.version == inner.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # Same version.
