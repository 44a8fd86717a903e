"""A whole host, live or in a file of ``natfix collect``: everything that ``natfix check`` asks, and the one way to ask it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from natfix.app.check import look_at_read, native_listing, put_together
from natfix.app.cluster import Cluster
from natfix.app.facts import FactPorts, read_facts, told_once
from natfix.app.ports import Filters, IpSetListing, Links, NftListing, RulesetStore
from natfix.app.shown import shown
from natfix.app.way import Way
from natfix.audit import AuditRule
from natfix.audit.guard import Guard
from natfix.audit.needs import needed
from natfix.report.model import CheckResult
from natfix.ruleset import Family

if TYPE_CHECKING:  # Start-up time.
    from natfix.nft import NftRuleset


@dataclass(frozen=True, slots=True)
class WholeHost:
    """Whom a check asks.

    Attributes:
        stores: the nat tables that iptables keeps.
        guards: what is in force before them.
        filters: what can drop packets to containers.
        native: nft's own tables.
        ipsets: the sets that rules may ask for.
        links: interfaces and routes.
        facts: what else the host may be judged by.
        clusters: finds the networks of the cluster, of the families asked for.
    """

    stores: Sequence[RulesetStore]
    guards: Sequence[Guard]
    filters: Filters
    native: NftListing
    ipsets: IpSetListing
    links: Links
    facts: FactPorts
    clusters: Callable[[Sequence[Family]], Sequence[Cluster]]


def look_at_whole(host: WholeHost, catalogue: Sequence[AuditRule], *, charts: bool = False) -> CheckResult:
    """Look at everything that rewrites addresses on a host; what it says together is for summed_up.

    Raises:
        HostError: something cannot be read.
        UnsupportedError: a table holds what neither iptables nor nft can show.
    """
    notes = list[str]()
    tables = shown(host.stores, lambda store: store.read())
    native = tables.native(host.native, notes) if tables.refused else native_listing(host.native, notes)
    families = tuple(Family) if native else sorted({store.backend.family for store in host.stores})
    found = host.clusters(families)
    wanted = needed(catalogue)
    facts = read_facts(host.facts, wanted, host.links.interfaces(), notes) if wanted else None
    read = [(store.backend, ruleset) for store, ruleset in tables.read]
    nft = _own(native)
    way = Way.of(read, host.filters, nft)
    looked = look_at_read(
        read,
        found,
        host.links,
        catalogue,
        guards=host.guards,
        filters=host.filters,
        ipsets=host.ipsets,
        facts=facts,
        way=way,
    )
    looked = told_once(looked)
    if nft is not None:
        from natfix.app.native import look_at_native  # noqa: PLC0415  (few hosts have such tables)

        network = (host.links.interfaces(), host.links.routes())
        nat = [each.subject.table for each in looked]
        looked += look_at_native(nft, found, catalogue, network=network, guards=host.guards, places=way.places, beside=nat)
    return put_together(looked, charts=charts, notes=notes)


def _own(native: bytes | None) -> NftRuleset | None:
    if not native:
        return None
    from natfix.nft import parse_nft  # noqa: PLC0415  (few hosts have such tables)

    return parse_nft(native, "nft")
