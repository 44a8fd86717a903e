"""What ``natfix prove`` has to try: the rulesets of a host, each with nft's own tables beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from natfix.app.cluster import Cluster
from natfix.app.native import native_subjects
from natfix.app.ports import Backend, Interface, Route, Variant
from natfix.audit import AuditRule, Finding, Subject, audit_table
from natfix.audit.subject import subject_of
from natfix.nft import NftRuleset, parse_nft
from natfix.nft.trial import Object, for_trial, written
from natfix.ruleset import Family, Ruleset


@dataclass(frozen=True)
class NativeTables:
    """What of nft's own tables decides about addresses.

    Attributes:
        objects: in an order in which nft takes them.
        ruleset: the same as chains to walk.
    """

    objects: tuple[Object, ...] = ()
    ruleset: NftRuleset = field(default_factory=lambda: NftRuleset("", ()))

    def tables(self, family: Family) -> tuple[str, ...]:
        """The names of those that concern a family."""
        return tuple(dict.fromkeys(each.origin for each in self.ruleset.chains if each.table.family is family))


def native_tables(listings: Iterable[tuple[bytes, str]], told: Iterable[Ruleset] = ()) -> NativeTables:
    """Read listings of nft, each with its name.

    Args:
        listings: what nft printed, and where that stands.
        told: what iptables says of the same host, and nft need not.

    Raises:
        RulesetSyntaxError: one is none.
    """
    tables = {("ip" if table.family is Family.IPV4 else "ip6", table.name) for each in told for table in each.tables}
    objects: list[Object] = []
    names: list[str] = []
    for data, name in listings:
        parse_nft(data, name)
        objects += for_trial(json.loads(data), tables)
        names.append(name)
    together = written(objects)
    return NativeTables(tuple(objects), parse_nft(together, ", ".join(names))) if together else NativeTables()


@dataclass(frozen=True)
class Case:
    """One ruleset to prove.

    Attributes:
        ruleset: all of it; without tables where there are none but nft's own.
        backend: which iptables loads it.
        subjects: what natfix judges it by; first that of the ruleset, when there is one, then those of nft's own tables.
        findings: what natfix finds in the ruleset.
        addresses: of the host's devices.
        native: nft's own tables beside it.
    """

    ruleset: Ruleset
    backend: Backend
    subjects: Sequence[Subject] = ()
    findings: Sequence[Finding] = ()
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    native: NativeTables = field(default_factory=NativeTables)

    @property
    def source(self) -> str:
        """Whose rules they are, for people."""
        names = self.native.tables(self.backend.family)
        return " and ".join([*([self.ruleset.source] if self.ruleset.tables else []), *names])

    @property
    def program(self) -> str:
        """What loads them, for people."""
        names = [*([str(self.backend)] if self.ruleset.tables else []), *(["nft"] if self.native.objects else [])]
        return " and ".join(names)


def text_cases(
    rulesets: Sequence[Ruleset], clusters: Sequence[Cluster], catalogue: Sequence[AuditRule], variant: Variant
) -> Iterator[Case]:
    """Make a case for each text and each family of which a cluster is known; a text of both backends is one of each."""
    for halves in (ruleset.by_backend() for ruleset in rulesets):
        for half, cluster in product(halves, clusters):
            subject = subject_of(half, cluster.family, cluster.networks, halves=halves)
            if subject is not None:
                yield Case(half, Backend(cluster.family, half.variant or variant), [subject], audit_table(subject, catalogue))


def with_native(
    case: Case,
    clusters: Sequence[Cluster],
    native: NativeTables,
    network: tuple[Sequence[Interface], Sequence[Route]] | None = None,
) -> Case:
    """Put nft's own tables beside a case."""
    family = case.backend.family
    if not native.tables(family):
        return case
    return replace(case, native=native, subjects=[*case.subjects, *native_subjects(native.ruleset, family, clusters, network)])


def native_cases(
    cases: Sequence[Case],
    clusters: Sequence[Cluster],
    native: NativeTables,
    network: tuple[Sequence[Interface], Sequence[Route]] | None = None,
) -> list[Case]:
    """Make a case for each family of which there are no tables but nft's own."""
    known = {case.backend.family for case in cases}
    missing = [each.family for each in clusters if each.family not in known and native.tables(each.family)]
    return [with_native(Case(Ruleset("", (), ()), Backend(family, "nft")), clusters, native, network) for family in missing]
