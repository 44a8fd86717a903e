"""What an audit looks at: one nat table, the cluster, and the container subnets of the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from natfix.audit.facts import HostFacts
from natfix.packets import Intervals, Names, Outcome, PacketSet, walk
from natfix.packets.bits import Bits
from natfix.packets.names import EVERY_NAME
from natfix.packets.sets import IpSets
from natfix.packets.walk import Visit
from natfix.ruleset import Chain, Family, Network, Rule, Ruleset, Table, family_of
from natfix.ruleset.rule import network_of

if TYPE_CHECKING:  # Start-up time: on most hosts nothing is asked before.
    from natfix.packets.trace import Place

HOOK = "POSTROUTING"
BEFORE_NAT: Final = (("raw", "PREROUTING"), ("mangle", "PREROUTING"), ("mangle", "FORWARD"), ("mangle", "POSTROUTING"))
"""The chains of iptables that packets of containers pass before nat POSTROUTING, but for those that only filter or redirect."""


@dataclass(frozen=True, slots=True)
class Locality:
    """Container subnets of this host that hang on one bridge.

    Attributes:
        networks: the subnets.
        bridge: the device that leads to them; empty when nobody said.
    """

    networks: tuple[Network, ...]
    bridge: str = ""

    @property
    def addresses(self) -> Intervals:
        """Every address of the subnets, as integers."""
        return Intervals.networks(self.networks)


@dataclass(frozen=True)
class Subject:
    """One nat table with all that decides what it means.

    Attributes:
        table: the nat table, or as much of it as POSTROUTING reaches.
        cluster: the cluster CIDRs of the table's family.
        bridges: the networks on each bridge of the host; empty when the text came without a host.
        devices: for each other device of the host its first address, best uplink first; empty without a host.
        filtering: the tables beside it that let packets pass or not, or mark them, as far as they were read.
        beside: the other nat tables of the same host: of the other family, of the other backend.
        facts: what is known of the host beside its rulesets.
        warnings: what iptables-save warned of in the text.
        dumped: whether *table* and *filtering* are all that a text holds; of a live host only what matters is read.
        ipsets: the host's sets by their names, as far as they are known.
        before: the chains of other tables that change packets before this table's POSTROUTING is asked, in the kernel's order.
        around: tables of nft's own for source NAT on the same host; of one of these all the others, whosever they are.
        native: whether the table is one of nft's own, put into the words of iptables; its rules know the device packets came
            in by, which POSTROUTING of iptables does not on every kernel.
        made: what analyses have worked out already, for each other.
    """

    table: Table
    cluster: tuple[Network, ...]
    bridges: Mapping[str, tuple[Network, ...]] = field(default_factory=dict)
    devices: Mapping[str, str] = field(default_factory=dict)
    filtering: Mapping[str, Table] = field(default_factory=dict)
    beside: tuple[Table, ...] = ()
    facts: HostFacts = field(default_factory=HostFacts)
    warnings: tuple[str, ...] = ()
    dumped: bool = False
    ipsets: IpSets = field(default_factory=dict)
    before: tuple[Place, ...] = ()
    around: tuple[Table, ...] = ()
    native: bool = False
    made: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def family(self) -> Family:
        """The table's family."""
        return self.table.family

    @property
    def has_host(self) -> bool:
        """Whether the interfaces of the host are known."""
        return bool(self.bridges or self.devices)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """POSTROUTING and every chain it reaches."""
        return self.table.reached_from(HOOK)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule of these chains."""
        return tuple(rule for chain in self.chains for rule in chain.rules)

    @cached_property
    def cluster_addresses(self) -> Intervals:
        """Every address of the cluster, as integers."""
        return Intervals.networks(self.cluster)

    @cached_property
    def localities(self) -> tuple[Locality, ...]:
        """The container subnets of this host: what its bridges say, then what its rules say, then those of other tables."""
        found: dict[str, list[Network]] = {}
        covered = Intervals()
        others = (table for table in (*self.beside, *self.around) if table.family is self.family)
        elsewhere = (rule for table in others for chain in table.reached_from(HOOK) for rule in chain.rules)
        for bridge, network in (*self._from_bridges(), *self._from_rules(self.rules), *self._from_rules(elsewhere)):
            addresses = Intervals.networks([network])
            if not addresses <= covered:
                covered |= addresses
                found.setdefault(bridge, []).append(network)
        return tuple(Locality(tuple(networks), bridge) for bridge, networks in found.items())

    @cached_property
    def local_addresses(self) -> Intervals:
        """Every address of these subnets, as integers."""
        return Intervals.networks(network for locality in self.localities for network in locality.networks)

    def protected(self, locality: Locality) -> PacketSet | None:
        """The packets whose source must not be rewritten: from *locality* to the rest of the cluster, by another device.

        They are ordinary forwarded packets: not marked, not to or from an address of the host itself, opening a connection.
        None when there are none, as with a cluster that is this one subnet.
        """
        destination = self.cluster_addresses - locality.addresses
        if not destination:
            return None
        out_interface = Names().excluding("lo") or Names()
        if locality.bridge:
            out_interface = out_interface.excluding(locality.bridge) or out_interface
        return PacketSet(
            family=self.family,
            source=locality.addresses,
            destination=destination,
            out_interface=out_interface,
            mark=Bits(),
            connmark=Bits(),
            source_type=frozenset({"UNICAST"}),
            destination_type=frozenset({"UNICAST"}),
            state=frozenset({"NEW"}),
            in_interface=Names(locality.bridge or EVERY_NAME) if self.native else None,
        )

    def sent(
        self,
        packets: PacketSet,
        *,
        skip: frozenset[Rule] = frozenset(),
        seen: Callable[[Visit], None] | None = None,
    ) -> tuple[Outcome, ...]:
        """Send *packets* through the table; see natfix.packets.walk."""
        return walk(self.table, HOOK, packets, skip=skip, ipsets=self.ipsets, seen=seen)

    def in_cluster(self, network: Network) -> bool:
        """Whether *network* is a part, and only a part, of the cluster."""
        addresses = Intervals.networks([network])
        return family_of(network) is self.family and addresses <= self.cluster_addresses and network not in self.cluster

    def is_local(self, network: Network) -> bool:
        """Whether *network* is a part of the cluster, or lies in a container subnet of this host."""
        return self.in_cluster(network) or (
            family_of(network) is self.family and Intervals.networks([network]) <= self.local_addresses
        )

    def _may_hang_on(self, bridge: str, network: Network) -> bool:
        """Whether *network* can be the subnet of *bridge*: the CIDRs of a cluster may be those of its hosts, one by one."""
        return self.in_cluster(network) or (bool(bridge) and len(self.cluster) > 1 and network in self.cluster)

    def _from_bridges(self) -> Iterator[tuple[str, Network]]:
        for bridge, networks in self.bridges.items():
            for network in networks:
                if self._may_hang_on(bridge, network):
                    yield bridge, network

    def _from_rules(self, rules: Iterable[Rule]) -> Iterator[tuple[str, Network]]:
        """Sources named in *rules*; those that name their bridge first, then the widest first."""
        named: list[tuple[str, Network]] = []
        for rule in rules:
            bridge = bridge_of(rule)
            if not self.is_stale(rule):
                named += [(bridge, each) for each in self.sources_of(rule) if self._may_hang_on(bridge, each)]
        return iter(sorted(named, key=lambda each: (not each[0], each[1].prefixlen)))

    def sources_of(self, rule: Rule) -> Iterator[Network]:
        """The networks that a rule names as sources, those of its sets included."""
        network = rule.network("source")
        if network is not None:
            yield network
        for option in rule.options:
            if option.name == "match-set" and not option.negated and option.values[1:] == ("src",):
                known = self.ipsets.get(option.values[0])
                yield from known.networks if known is not None else ()

    def is_stale(self, rule: Rule) -> bool:
        """Whether *rule* ties a source to a bridge that, on this host, is not there or has other subnets."""
        bridge, source = bridge_of(rule), rule.network("source")
        if not self.has_host or not bridge or source is None:
            return False
        networks = self.bridges.get(bridge)
        if networks is None:
            return bridge not in self.devices
        return not _overlap(source, (each for each in networks if each.version == source.version))


def filtering_of(ruleset: Ruleset, family: Family) -> Mapping[str, Table]:
    """The tables of *ruleset* that let packets pass or not, or mark them, by name."""
    tables = {name: ruleset.table(name, family) for name in ("raw", "mangle", "filter")}
    return {name: table for name, table in tables.items() if table is not None}


def subject_of(ruleset: Ruleset, family: Family, cluster: Iterable[Network], facts: HostFacts | None = None) -> Subject | None:
    """The nat table of *family* in a text, with all that the text says beside it; None when it holds none."""
    table = ruleset.table("nat", family)
    if table is None:
        return None
    return Subject(
        table,
        tuple(network for network in cluster if family_of(network) is family),
        filtering=filtering_of(ruleset, family),
        beside=tuple(each for each in ruleset.tables if each.name == "nat" and each is not table),
        facts=facts or HostFacts(),
        warnings=ruleset.warnings,
        dumped=True,
    )


def bridge_of(rule: Rule) -> str:
    """The device of ``! -o DEVICE``: the form in which Docker and others say "not on its own bridge"."""
    option = rule.out_interface
    if option is None or not option.negated or option.value == "lo" or option.value.endswith("+"):
        return ""
    return option.value


def excluded_destination(rule: Rule) -> Network | None:
    """The network of ``! -d NETWORK``."""
    option = rule.destination
    return network_of(option) if option is not None and option.negated else None


def _overlap(network: Network, others: Iterable[Network]) -> bool:
    return bool(Intervals.networks([network]) & Intervals.networks(others))
