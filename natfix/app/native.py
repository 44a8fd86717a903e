"""Audit nft's own tables beside those of iptables: Docker 29's, netavark's, firewalld's and whoever else keeps some."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from natfix.app.check import Looked, charted, judged, surroundings_of
from natfix.app.cluster import Cluster
from natfix.app.ports import Interface, Route
from natfix.audit import AuditRule, Subject
from natfix.audit.arrival import before, places_of
from natfix.audit.guard import TABLE, Guard, guard_of
from natfix.audit.native import for_native
from natfix.nft import BaseChain, NftRuleset
from natfix.packets.trace import Place
from natfix.report.model import CheckResult
from natfix.ruleset import Family, Ruleset, Table


def look_at_nft_text(
    nft: NftRuleset, clusters: Sequence[Cluster], catalogue: Iterable[AuditRule], *, charts: bool = False
) -> CheckResult:
    """Look at one listing of nft among several texts; what they say together is for summed_up."""
    looked = look_at_native(nft, clusters, catalogue, places=places_of((), [each.place for each in nft.chains]))
    notes = () if looked else (f"{nft.source} holds no chain for source NAT that is nft's own",)
    return CheckResult(tuple(charted(each) if charts else each.checked for each in looked), notes)


def look_at_native(  # noqa: PLR0913  (all but the first three by name)
    nft: NftRuleset,
    clusters: Sequence[Cluster],
    catalogue: Iterable[AuditRule],
    *,
    network: tuple[Sequence[Interface], Sequence[Route]] | None = None,
    guards: Sequence[Guard] = (),
    places: Sequence[Place] = (),
    beside: Sequence[Table] = (),
) -> list[Looked]:
    """Audit every chain for source NAT of nft's own, but for natfix's guard.

    Args:
        nft: the tables.
        clusters: the cluster of each family.
        catalogue: the audit rules, of which those count that speak of hidden addresses.
        network: the host's interfaces and routes; None for a text.
        guards: what is in force before the tables.
        places: as natfix.app.way.Way has them; without, each chain is judged by itself.
        beside: the nat tables of iptables on the same host, which name container subnets too.
    """
    rules = for_native(catalogue)
    looked = []
    bases = list(_bases(nft, {cluster.family for cluster in clusters} or set(Family)))
    for base, judging in zip(bases, _subjects(bases, clusters, network, beside), strict=True):
        family = base.table.family
        subject = replace(judging, before=before(places, base.place))
        source = f"{base.origin} (nft)" if network is not None else f"{nft.source}, {base.origin}"
        ruleset = Ruleset(source, (), (subject.table,))
        guard = guard_of(guards, family)
        looked.append(judged(ruleset, subject, clusters, rules, live=network is not None, guard=guard))
    return looked


def native_subjects(
    nft: NftRuleset,
    family: Family,
    clusters: Sequence[Cluster],
    network: tuple[Sequence[Interface], Sequence[Route]] | None = None,
) -> list[Subject]:
    """Every chain for source NAT of one family with what decides about it, as look_at_native audits it."""
    return list(_subjects(list(_bases(nft, [family])), clusters, network))


def _bases(nft: NftRuleset, families: Iterable[Family]) -> Iterator[BaseChain]:
    """The chains for source NAT; a table of both families says nothing about one that the cluster does not have."""
    for family in sorted(families):
        yield from (base for base in nft.of(family, "POSTROUTING") if base.origin.rpartition(" ")[2] != TABLE)


def _subjects(
    bases: Sequence[BaseChain],
    clusters: Sequence[Cluster],
    network: tuple[Sequence[Interface], Sequence[Route]] | None,
    beside: Sequence[Table] = (),
) -> Iterator[Subject]:
    """Each chain with what decides about it, beside all the others."""
    hooked = [base.hooked for base in bases]
    for number, base in enumerate(bases):
        bridges, devices, cluster = surroundings_of(base.table.family, clusters, network)
        around = (*hooked[:number], *hooked[number + 1 :], *beside)
        yield Subject(hooked[number], cluster, bridges, devices, ipsets=base.ipsets, around=around, native=True)
