"""A file of ``natfix collect`` in the place of its host: every port answers what the host answered, or refuses as it did."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from natfix.app.cluster import remembered_cluster
from natfix.app.collect_ports import Identity, KernelState, SavedFiles
from natfix.app.collected import ABSENT, RULESETS, Collected, CollectedRuleset
from natfix.app.facts import FactPorts
from natfix.app.ports import Backend, Filters, Interface, IpSetListing, Links, NftListing, Route, RulesetStore
from natfix.app.whole import WholeHost, look_at_whole
from natfix.audit import Catalogue
from natfix.audit.guard import TABLE, Guard, nft_family
from natfix.audit.subject import BEFORE_NAT
from natfix.errors import UnsupportedError, UsageError
from natfix.report.model import CheckResult
from natfix.ruleset import Family, Ruleset, parse

if TYPE_CHECKING:  # A check of many files needs none of it.
    from natfix.app.prove_ports import Judge
    from natfix.app.trace import Asked
    from natfix.packets.sets import IpSets
    from natfix.report.proof import ProofResult
    from natfix.report.trace import Traced

_SAVED = "saved: "


@dataclass(frozen=True, slots=True)
class CollectedHost:
    """The host that a file tells of.

    Attributes:
        collected: what the file says.
        source: the name of the file.
    """

    collected: Collected
    source: str

    def stores(self) -> tuple[RulesetStore, ...]:
        """The backends of the host whose tables decide about addresses.

        Raises:
            NatfixError: as the host refused.
        """
        self.want(RULESETS)
        return tuple(_Store(self, each) for each in self.collected.rulesets)

    @property
    def links(self) -> Links:
        """Its interfaces and routes."""
        return _Links(self)

    @property
    def ipsets(self) -> IpSetListing:
        """Its sets."""
        return _IpSets(self)

    @property
    def native(self) -> NftListing:
        """The tables of nft's own."""
        return _Native(self)

    def guards(self) -> tuple[Guard, ...]:
        """The guard of natfix, which is among nft's own tables."""
        objects = (self.collected.native or {}).get("nftables", ())
        mine = {family: [each for each in objects if _is_of(each, nft_family(family))] for family in Family}
        if not any(mine.values()):
            return ()
        from natfix.plan.guard_listing import read_listing  # noqa: PLC0415  (few hosts have a guard)

        read = (read_listing({"nftables": found}, family) for family, found in mine.items() if found)
        return tuple(guard for guard in read if guard is not None)

    def whole(self, cidrs: Sequence[str]) -> WholeHost:
        """Everything that a check asks; *cidrs* are what the user says of the cluster."""
        return WholeHost(
            stores=[store for store in self.stores() if self._holds_nat(store.backend)],
            guards=self.guards(),
            filters=_Filters(self),
            native=self.native,
            ipsets=self.ipsets,
            links=self.links,
            facts=FactPorts(_KernelState(self), _SavedFiles(self), self._order, self._switches),
            clusters=lambda families: remembered_cluster(cidrs, self.collected.clusters, families),
        )

    def _order(self) -> Mapping[str, tuple[str, ...]]:
        self.want("boot")
        return self.collected.facts.boot

    def _switches(self) -> Mapping[str, bool]:
        self.want("daemon")
        return self.collected.facts.daemon

    def _holds_nat(self, backend: Backend) -> bool:
        """Whether there was a nat table, and not only one that marks packets for those of others."""
        said = next(each for each in self.collected.rulesets if each.backend == backend)
        return said.save is None or "*nat" in said.save.split("\n")

    def want(self, part: str) -> None:
        """Refuse as the host did, when it did."""
        missing = self.collected.lacks(part)
        if missing is not None and missing.kind != ABSENT:
            raise missing.error(self.source)

    def wanted(self, part: str, value: str | None) -> str:
        """The text of *part*.

        Raises:
            NatfixError: as the host refused.
            UsageError: the file holds neither the text nor a reason.
        """
        self.want(part)
        if value is None:
            raise UsageError(f"{self.source}: {part} is neither told nor said to be missing", hint="Collect it again.")
        return value


def look_at_collected(host: CollectedHost, cidrs: Sequence[str], catalogue: Catalogue, *, charts: bool = False) -> CheckResult:
    """Look at a host by its file, as natfix would have on the host; suppressions for its name hold.

    Raises:
        NatfixError: as the host refused.
    """
    mine = replace(catalogue, suppressions=replace(catalogue.suppressions, host=host.collected.host))
    result = look_at_whole(host.whole(cidrs), mine, charts=charts)
    tables = tuple(replace(each, source=f"{host.source}: {each.source}", file=host.source) for each in result.tables)
    # A reason that a note quotes names the file already, and one name a note is enough.
    notes = (note.replace(f"{host.source}: ", "") for note in result.notes)
    return replace(result, tables=tables, notes=tuple(f"{host.source}: {note}" for note in notes))


def trace_collected(host: CollectedHost, asked: Asked, ipsets: IpSets | None = None) -> Traced:
    """Follow packets through a host by its file; *ipsets* are believed more than what the file tells of them.

    Raises:
        NatfixError: as the host refused.
    """
    from natfix.app.trace import trace_host  # noqa: PLC0415
    from natfix.packets.ipset import parse_ipsets  # noqa: PLC0415

    listed = host.ipsets.read() if ipsets is None else None
    sets = parse_ipsets(listed, f"{host.source}: ipsets") if listed else ipsets
    traced = trace_host(asked, host.stores(), host.links, sets, host.native)
    return replace(traced, sources=tuple(f"{host.source}: {each}" for each in traced.sources))


def prove_collected(
    host: CollectedHost, cidrs: Sequence[str], catalogue: Catalogue, *, judge: Judge, ipsets: str = ""
) -> ProofResult:
    """Prove what natfix says of a host by its file; *ipsets* are believed more than what the file tells of them.

    Raises:
        NatfixError: as the host refused, or the kernel cannot be asked.
    """
    from natfix.app.prove import prove_host  # noqa: PLC0415

    found = remembered_cluster(cidrs, host.collected.clusters, tuple(Family))
    listed = ipsets or host.ipsets.read() or ""
    result = prove_host(host.stores(), found, host.links, catalogue, judge=judge, ipsets=listed, native=host.native)
    return replace(result, tables=tuple(replace(each, source=f"{host.source}: {each.source}") for each in result.tables))


@dataclass(frozen=True, slots=True)
class _Store:
    """The nat table of one backend; see natfix.app.ports.RulesetStore."""

    host: CollectedHost
    said: CollectedRuleset

    @property
    def backend(self) -> Backend:
        return self.said.backend

    def read(self) -> Ruleset:
        return _parsed(self.host.wanted(f"{self.backend}: nat", self.said.nat), self.backend)

    def dump(self) -> bytes:
        return _bytes(self.host.wanted(f"{self.backend}: save", self.said.save))

    def rehearse(self, script: str) -> NoReturn:
        self._refuse(script)

    def commit(self, script: str) -> None:
        self._refuse(script)

    def _refuse(self, script: str) -> NoReturn:
        raise UnsupportedError(f"{self.host.source} tells of a host and cannot change it; not done: {script}")


@dataclass(frozen=True, slots=True)
class _Filters(Filters):
    host: CollectedHost

    def read(self, backend: Backend) -> Ruleset:
        said = next((each.filtering for each in self.host.collected.rulesets if each.backend == backend), None)
        text = self.host.wanted(f"{backend}: filtering", said)
        return _parsed(text, backend) if text else Ruleset(str(backend), (), ())

    def before_nat(self, backend: Backend) -> Ruleset:
        # All of it is in what the save program printed; where that refused, nft told the tables.
        said = next((each.save for each in self.host.collected.rulesets if each.backend == backend), None)
        wanted = {table for table, _ in BEFORE_NAT}
        found = _parsed(said, backend) if said else Ruleset(str(backend), (), ())
        return replace(found, tables=tuple(each for each in found.tables if each.name in wanted))


@dataclass(frozen=True, slots=True)
class _Links(Links):
    host: CollectedHost

    def interfaces(self) -> Sequence[Interface]:
        self.host.want("links")
        return self.host.collected.interfaces

    def routes(self) -> Sequence[Route]:
        self.host.want("links")
        return self.host.collected.routes


@dataclass(frozen=True, slots=True)
class _IpSets(IpSetListing):
    host: CollectedHost

    def read(self) -> str | None:
        self.host.want("ipsets")
        return self.host.collected.ipsets


@dataclass(frozen=True, slots=True)
class _Native(NftListing):
    host: CollectedHost

    def read(self, also: Collection[Family] = ()) -> bytes | None:  # noqa: ARG002  (what the host had to tell is there)
        self.host.want("nft")
        native = self.host.collected.native
        return None if native is None else json.dumps(native).encode()


@dataclass(frozen=True, slots=True)
class _KernelState(KernelState):
    host: CollectedHost

    def identity(self) -> Identity:
        return Identity(self.host.collected.host, self.host.collected.kernel)

    def settings(self, devices: Sequence[str]) -> Mapping[str, str]:  # noqa: ARG002  (those are in the file that were asked for)
        self.host.want("settings")
        return self.host.collected.facts.settings

    def counters(self) -> Mapping[str, int]:
        self.host.want("counters")
        return self.host.collected.facts.counters

    def policies(self) -> Mapping[str, Sequence[str]]:
        self.host.want("policies")
        return self.host.collected.policies


@dataclass(frozen=True, slots=True)
class _SavedFiles(SavedFiles):
    host: CollectedHost

    def paths(self) -> Sequence[str]:
        self.host.want("saved")
        told = self.host.collected
        unread = [each.part.removeprefix(_SAVED) for each in told.missing if each.part.startswith(_SAVED)]
        return (*told.facts.saved, *unread)

    def read(self, path: str) -> bytes | None:
        self.host.want(f"{_SAVED}{path}")
        return _bytes(self.host.collected.facts.saved[path])


def _is_of(each: Any, family: str) -> bool:  # noqa: ANN401  (JSON)
    """Whether an object of nft's listing belongs to natfix's own table."""
    kinds = [(kind, said) for kind, said in each.items() if isinstance(said, dict)] if isinstance(each, dict) else []
    return any(
        said.get("family") == family and said.get("name" if kind == "table" else "table") == TABLE for kind, said in kinds
    )


def _parsed(text: str, backend: Backend) -> Ruleset:
    # It is called what it was called on the host, as findings quote the name.
    return parse(_bytes(text), str(backend), backend.family)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
