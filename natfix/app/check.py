"""Look at nat tables, of texts or of this host, and say which rules hide container addresses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from natfix.app.cluster import Cluster
from natfix.app.ports import Backend, Filters, Interface, IpSetListing, Links, NftListing, Route, RulesetStore
from natfix.app.way import Beside, Way, in_text
from natfix.audit import AuditRule, HostFacts, Subject, Suppressions, audit
from natfix.audit.facts import Route as RouteFact
from natfix.audit.guard import Guard, guard_of
from natfix.audit.subject import filtering_of, subject_of
from natfix.errors import HostError, UsageError
from natfix.packets.sets import IpSets
from natfix.report.model import CheckedTable, CheckResult, ClusterOrigin
from natfix.ruleset import Family, Network, Ruleset, family_of

if TYPE_CHECKING:  # Start-up time.
    from natfix.report.gathered import Unread

UNKNOWN_CLUSTER_HINT = "Name the network that holds the container subnets of all hosts: --cluster-cidr 172.7.0.0/16"
_SET_OPTION = " --match-set "
_NAMED = 3  # How many sources an error names.


@dataclass(frozen=True)
class Looked:
    """One nat table with what it was judged by."""

    ruleset: Ruleset
    subject: Subject
    checked: CheckedTable


def check_texts(rulesets: Iterable[Ruleset], clusters: Sequence[Cluster], catalogue: Sequence[AuditRule]) -> CheckResult:
    """Check iptables-save texts; nothing of this host has a say in it.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
        UsageError: the texts hold nat tables, and no cluster of their families is known.
    """
    return summed_up([look_at_text(ruleset, clusters, catalogue) for ruleset in rulesets])


def look_at_text(
    ruleset: Ruleset,
    clusters: Sequence[Cluster],
    catalogue: Sequence[AuditRule],
    *,
    charts: bool = False,
    facts: HostFacts | None = None,
) -> CheckResult:
    """Look at one text among several; what they say together is for summed_up.

    Args:
        ruleset: the text.
        clusters: the cluster of each family.
        catalogue: the audit rules.
        charts: whether a picture of each finding will be asked for.
        facts: what is known of the host that the text comes from.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
    """
    from natfix.app.texts import notes_on  # noqa: PLC0415  (a host is no text)

    notes = [*(f"{ruleset.source}: {warning}" for warning in ruleset.warnings), *notes_on(ruleset)]
    halves = ruleset.by_backend()
    subjects = [
        (half, subject_of(half, family, _networks(clusters, family), facts, halves))
        for half in halves
        for family in half.families("nat")
    ]
    if not subjects:
        notes.append(f"{ruleset.source} holds no nat table, so there is nothing in it that rewrites addresses")
    looked = [judged(half, in_text(each, half, halves), clusters, catalogue) for half, each in subjects if each is not None]
    return CheckResult(tuple(charted(each) if charts else each.checked for each in looked), tuple(notes))


def charted(looked: Looked) -> CheckedTable:
    """The table as it was judged, with a picture of each finding."""
    from natfix.plan import repair, rewrite  # noqa: PLC0415  (asked for rarely)
    from natfix.report.chart import chart  # noqa: PLC0415

    checked, subject = looked.checked, looked.subject
    plan = repair(subject, checked.findings)
    corrected = rewrite(looked.ruleset, subject.table, plan).table("nat", subject.family) if plan else None
    return replace(checked, charts=tuple(chart(finding, subject, corrected) for finding in checked.findings))


def look_at_host(
    stores: Iterable[RulesetStore],
    clusters: Sequence[Cluster],
    links: Links,
    catalogue: Sequence[AuditRule],
    *,
    filters: Filters | None = None,
) -> list[Looked]:
    """Read and audit the nat tables of this host; see look_at_read. Without *filters* each is judged by itself.

    Raises:
        HostError: a table cannot be read.
        UnsupportedError: a table holds what iptables cannot show.
    """
    read = [(store.backend, store.read()) for store in stores]
    return look_at_read(read, clusters, links, catalogue, filters=filters, way=Way.of(read, filters) if filters else None)


def look_at_read(  # noqa: PLR0913  (as judged, which says why)
    read: Sequence[tuple[Backend, Ruleset]],
    clusters: Sequence[Cluster],
    links: Links,
    catalogue: Sequence[AuditRule],
    *,
    guards: Sequence[Guard] = (),
    filters: Filters | None = None,
    ipsets: IpSetListing | None = None,
    facts: HostFacts | None = None,
    way: Way | None = None,
) -> list[Looked]:
    """Audit the nat tables of this host, with what the guard and other tables keep from them.

    Args:
        read: the tables.
        clusters: the cluster of each family.
        links: the host's interfaces and routes.
        catalogue: the audit rules.
        guards: what is in force before them.
        filters: what can drop packets to containers; not looked at without.
        ipsets: the sets that rules may ask for; such rules are in doubt without.
        facts: what is known beside tables, interfaces and routes.
        way: what packets pass beside these tables; without, each is judged by itself.

    Raises:
        HostError: what stands beside the tables cannot be read.
    """
    network = (links.interfaces(), links.routes())
    tables = [table for backend, ruleset in read if (table := ruleset.table("nat", backend.family)) is not None]
    sets = _sets(ipsets, [ruleset for _, ruleset in read])
    looked = []
    passed = way or Way()
    for backend, ruleset in read:
        # What drops packets to containers is told to who asks for it, as raw does beside filter.
        told = [filters.read(backend), passed.rulesets.get(backend, Ruleset("", (), ()))] if filters else []
        filtering = {name: table for each in told for name, table in filtering_of(each, backend.family).items()}
        looked.append(
            look_at_store(
                ruleset,
                backend.family,
                clusters,
                network,
                catalogue,
                guards=guards,
                beside=Beside(filtering, tables, passed, sets),
                facts=facts,
            )
        )
    return looked


def _sets(listing: IpSetListing | None, rulesets: Iterable[Ruleset]) -> IpSets:
    """The sets of the host, where a rule asks for one."""
    asked = any(_SET_OPTION in line for ruleset in rulesets for line in ruleset.lines)
    text = listing.read() if listing is not None and asked else None
    if not text:
        return {}
    from natfix.packets.ipset import parse_ipsets  # noqa: PLC0415  (most hosts have none)

    return parse_ipsets(text, "ipset save")


def look_at_store(  # noqa: PLR0913  (as judged, which says why)
    ruleset: Ruleset,
    family: Family,
    clusters: Sequence[Cluster],
    network: tuple[Sequence[Interface], Sequence[Route]],
    catalogue: Sequence[AuditRule],
    *,
    guards: Sequence[Guard] = (),
    beside: Beside | None = None,
    facts: HostFacts | None = None,
) -> Looked:
    """Audit one nat table of this host with what its interfaces and routes say.

    Args:
        ruleset: holds the table.
        family: of the table.
        clusters: the cluster of each family.
        network: the host's interfaces and routes.
        catalogue: the audit rules.
        guards: what is in force before the table.
        beside: what else the host has; without, the table is judged by itself.
        facts: what is known beside tables, interfaces and routes.
    """
    table = ruleset.table("nat", family)
    assert table is not None, "a store always gives its nat table"  # noqa: S101
    bridges, devices, cluster = surroundings_of(family, clusters, network)
    others = beside or Beside()
    subject = Subject(
        table,
        cluster,
        bridges,
        devices,
        others.filtering,
        tuple(each for each in others.tables if each is not table),
        _facts(facts, *network),
        ipsets=others.ipsets,
        before=others.way.before(table, ruleset.source),
        around=others.way.own,
    )
    return judged(ruleset, subject, clusters, catalogue, live=True, guard=guard_of(guards, family))


def surroundings_of(
    family: Family, clusters: Sequence[Cluster], network: tuple[Sequence[Interface], Sequence[Route]] | None
) -> tuple[Mapping[str, tuple[Network, ...]], Mapping[str, str], tuple[Network, ...]]:
    """What a table is judged by: the networks on each bridge, the other devices with their addresses, the cluster."""
    cluster = _networks(clusters, family)
    if network is None:
        return {}, {}, cluster
    return _bridges(network[0], family), _devices(*network, family, cluster), cluster


def native_listing(listing: NftListing, notes: list[str]) -> bytes | None:
    """Read nft's own tables of this host; what forbids it is a note, as iptables' tables can be judged all the same."""
    try:
        return listing.read()
    except HostError as error:
        notes.append(f"nft's own tables were not looked at: {error.message}")
        return None


def put_together(looked: Sequence[Looked], *, charts: bool = False, notes: Sequence[str] = ()) -> CheckResult:
    """Put together what was seen of one host, with a picture of each finding if *charts* are asked for.

    What it says as a whole, and what it says beside other hosts, is for summed_up.
    """
    notes = list(notes)
    backends = [each for each in looked if not each.subject.native]
    variants = {each.ruleset.source.rpartition("-")[2] for each in backends if each.checked.rules}
    if len(variants) > 1:
        notes.append("both iptables-nft and iptables-legacy hold nat rules; the kernel asks both, and natfix looks at both")
    return CheckResult(tuple(charted(each) if charts else each.checked for each in looked), tuple(notes))


def judged(  # noqa: PLR0913  (one place where a table meets all that decides about it)
    ruleset: Ruleset,
    subject: Subject,
    clusters: Iterable[Cluster],
    catalogue: Iterable[AuditRule],
    *,
    live: bool = False,
    guard: Guard | None = None,
) -> Looked:
    """Audit the table of *subject*, which is a part of *ruleset*."""
    family = subject.family
    cluster = next((each for each in clusters if each.family is family), None)
    origin = ClusterOrigin(cluster.networks, cluster.origin, cluster.guessed) if cluster else None
    found = audit(subject, catalogue, guard)
    subnets = tuple(network for locality in subject.localities for network in locality.networks)
    checked = CheckedTable(ruleset.source, live, family, len(subject.rules), origin, found.findings, subnets)
    checked = replace(checked, suppressed=found.suppressed) if found.suppressed else checked
    return Looked(ruleset, subject, checked)


def summed_up(results: Sequence[CheckResult], unread: Sequence[Unread] = ()) -> CheckResult:
    """Put together what was looked at one by one.

    Raises:
        UsageError: there are rules, and no cluster of any of their families is known.
    """
    tables = tuple(table for result in results for table in result.tables)
    notes = [note for result in results for note in result.notes]
    unjudged = [table for table in tables if table.rules and table.cluster is None]
    judged = [table for table in tables if table.cluster is not None]
    if unjudged and not any(table.rules for table in judged):
        raise UsageError(f"no cluster CIDR is known for {_named(unjudged)}", hint=UNKNOWN_CLUSTER_HINT)
    for table in unjudged:
        version = f"IPv{table.family.value}"
        notes.append(
            f"{table.source}: no {version} cluster CIDR is known, so its {table.rules} rules were not judged by packets"
        )
    notes.extend(
        f"{table.source}: no container subnet in the cluster is known here, so there is nothing to hide"
        for table in judged
        if table.rules and not table.subnets
    )
    return CheckResult(tables, tuple(notes), tuple(unread))


def telling(result: CheckResult, suppressions: Suppressions) -> CheckResult:
    """The result with a note on each suppression: what it left out and why, that it is of no use, that it is over."""
    used = [decision for table in result.tables for _, decision in table.suppressed]
    return replace(result, notes=(*result.notes, *suppressions.notes(used)))


def _facts(told: HostFacts | None, interfaces: Iterable[Interface], routes: Iterable[Route]) -> HostFacts:
    """What interfaces and routes tell, in the form in which it can also come from a file, and all that was *told*."""
    return replace(
        told or HostFacts(),
        addresses={each.name: tuple(map(str, each.addresses)) for each in interfaces if each.addresses},
        routes=tuple(RouteFact(each.destination, each.gateway, each.interface) for each in routes),
    )


def _named(tables: Sequence[CheckedTable]) -> str:
    names = list(dict.fromkeys(table.source for table in tables))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _networks(clusters: Iterable[Cluster], family: Family) -> tuple[Network, ...]:
    return next((cluster.networks for cluster in clusters if cluster.family is family), ())


def _bridges(interfaces: Iterable[Interface], family: Family) -> Mapping[str, tuple[Network, ...]]:
    return {each.name: _own_networks(each, family) for each in interfaces if each.kind == "bridge"}


def _own_networks(interface: Interface, family: Family) -> tuple[Network, ...]:
    return tuple(address.network for address in interface.addresses if family_of(address.network) is family)


def _devices(
    interfaces: Iterable[Interface], routes: Iterable[Route], family: Family, cluster: Sequence[Network]
) -> Mapping[str, str]:
    """Every device that is no bridge, with its first address; best way into the cluster first."""
    ranks: dict[str, int] = {}
    for route in routes:
        if route.gateway and family_of(route.destination) is family:
            leads = any(route.destination.overlaps(network) for network in cluster)
            rank = 0 if route.destination.prefixlen and leads else 1
            ranks[route.interface] = min(rank, ranks.get(route.interface, rank))
    devices = [each for each in interfaces if each.kind != "bridge"]
    devices.sort(key=lambda each: (ranks.get(each.name, 2), bool(each.bridge), not each.addresses, each.name))
    return {each.name: _first_address(each, family) for each in devices}


def _first_address(interface: Interface, family: Family) -> str:
    return next((str(each.ip) for each in interface.seen_elsewhere(family)), "")
