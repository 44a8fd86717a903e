"""The addresses that source NAT gives: one, one of a range, or a network in the place of another (xt_nat.c, xt_NETMAP.c)."""

from __future__ import annotations

from typing import NamedTuple

from natfix.packets.intervals import Intervals
from natfix.packets.packetset import Address, address
from natfix.ruleset import Family, Network, Rule, parse_network
from natfix.ruleset.written import without_ports


class Given(NamedTuple):
    """The addresses of which a rule gives a packet one: the first and the last."""

    first: Address
    last: Address

    def __str__(self) -> str:
        """Spell it as iptables does: ``10.9.9.1``, ``10.9.9.1-10.9.9.4``."""
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def has(self, one: Address) -> bool:
        """Whether *one* is among them."""
        return one.version == self.first.version and int(self.first) <= int(one) <= int(self.last)


def given(rule: Rule, source: Address) -> Given | None:
    """What *rule*, which rewrites sources, gives a packet from *source*; None where a device decides, or nobody can tell."""
    family = Family(source.version)
    network = _network(rule, family)
    if network is not None:
        mapped = address(_mapped(int(source), network), family)
        return Given(mapped, mapped)
    option = rule.option("to-source", "SNAT") or rule.option("to", "SAME")
    first, _, last = without_ports(option.value)[0].partition("-") if option else ("", "", "")
    try:
        low, high = parse_network(first), parse_network(last or first)
    except ValueError:  # ports alone
        return None
    return Given(low.network_address, high.broadcast_address)


def mapped(rule: Rule, sources: Intervals, family: Family) -> Intervals | None:
    """The addresses that NETMAP makes of *sources*, one of each; None for another rule."""
    network = _network(rule, family)
    if network is None:
        return None
    made: list[tuple[int, int]] = []
    every = int(network.network_address), int(network.broadcast_address)
    for first, last in sources.ranges:
        low, high = _mapped(first, network), _mapped(last, network)
        if last - first >= network.num_addresses:
            made.append(every)
        else:
            made += [(low, high)] if low <= high else [(low, every[1]), (every[0], high)]
    return Intervals.of(made)


def _network(rule: Rule, family: Family) -> Network | None:
    """The network that NETMAP puts in the place of that of a source."""
    option = rule.option("to", "NETMAP")
    try:
        network = parse_network(option.value) if option else None
    except ValueError:
        return None
    return network if network is not None and network.version == family else None


def _mapped(source: int, network: Network) -> int:
    return int(network.network_address) | source & (network.num_addresses - 1)
