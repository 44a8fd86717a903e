"""Networks as people write them for natfix: read strictly, as they can be asked again."""

from __future__ import annotations

from collections.abc import Iterable

from natfix.errors import UsageError
from natfix.routing.cidrs import merge
from natfix.ruleset import Network, has_host_bits, parse_network

_EXAMPLE = "Name the network that holds the container subnets of all hosts, such as 172.7.0.0/16 or fd00:7::/48."


def parse_cidrs(texts: Iterable[str], origin: str) -> tuple[Network, ...]:
    """Read cluster CIDRs that somebody wrote for natfix; a text may hold several, parted by commas.

    Args:
        texts: what was written.
        origin: where, to begin an error with: ``--cluster-cidr``.

    Returns:
        The networks in order of their addresses; those that lie in another one are left out.

    Raises:
        UsageError: a text is no network, has host bits set, or is every address there is.
    """
    return merge(_parse_cidr(part.strip(), origin) for text in texts for part in text.split(","))


def _parse_cidr(text: str, origin: str) -> Network:
    if not text.partition("/")[2] or "%" in text:
        raise UsageError(f"{origin}: {text or 'an empty text'} is no network with a prefix length", hint=_EXAMPLE)
    try:
        network = parse_network(text)
        unaligned = has_host_bits(text)
    except ValueError as error:
        raise UsageError(f"{origin}: {text} is no network: {error}", hint=_EXAMPLE) from error
    if network.prefixlen == 0:
        raise UsageError(f"{origin}: {text} is every address, not a cluster", hint=_EXAMPLE)
    if unaligned:
        raise UsageError(f"{origin}: {text} has host bits; did you mean {network}?")
    return network
