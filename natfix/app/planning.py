"""From a look at the host to everything that a change would do: transactions for the kernel, texts for the files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from natfix.app.check import UNKNOWN_CLUSTER_HINT, Looked, look_at_read, native_listing
from natfix.app.cluster import Cluster
from natfix.app.machine import Machine
from natfix.app.ports import RulesetStore
from natfix.app.record import journeys
from natfix.app.retention import KEPT
from natfix.app.undone import Undone, reminder, undone_of
from natfix.app.way import Beside, Way
from natfix.audit import AuditRule, Finding, Subject, faults
from natfix.audit.boot import LIVE_CHAINS
from natfix.audit.guard import Guard, table_name
from natfix.errors import UnsupportedError, UsageError
from natfix.plan import Plan, compile_script, corrections, repair, rewrite, ruleset_diff, same_text, save_into, text_diff
from natfix.report.changes import Change
from natfix.report.model import ClusterOrigin
from natfix.ruleset import Family, Ruleset, parse

if TYPE_CHECKING:  # Start-up time.
    from natfix.nft import NftRuleset

_NAMED = 3  # How many of them a note names.


@dataclass(frozen=True, slots=True)
class PlannedTable:
    """One nat table of the kernel and what shall become of it.

    Attributes:
        store: where it is.
        looked: how it is now.
        plan: what changes; may be empty.
        after: how it will be.
    """

    store: RulesetStore
    looked: Looked
    plan: Plan
    after: Ruleset

    @property
    def script(self) -> str:
        """The change as lines for iptables-restore."""
        return compile_script(self.plan, self.looked.subject.table)

    def change(self) -> Change:
        """The change for the report."""
        return Change(str(self.store.backend), ruleset_diff(self.looked.ruleset, self.after), self.script)


@dataclass(frozen=True, slots=True)
class PlannedFile:
    """One saved file and what shall become of it.

    Attributes:
        path: the file.
        family: of the ruleset in it.
        before: its bytes; None when there is none.
        after: its new bytes.
    """

    path: str
    family: Family
    before: bytes | None
    after: bytes

    def change(self) -> Change:
        """The change for the report."""
        return Change(self.path, text_diff(self.before, self.after, self.path))


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything a change would do.

    Attributes:
        tables: those of iptables.
        files: what is loaded at boot.
        notes: what else the reader should know.
        left: whether something is left alone that a person has undone.
        native: nft's own tables, which no change touches.
    """

    tables: tuple[PlannedTable, ...]
    files: tuple[PlannedFile, ...]
    notes: tuple[str, ...] = ()
    left: bool = False
    native: tuple[Looked, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.files or any(table.plan for table in self.tables))

    @property
    def changes(self) -> tuple[Change, ...]:
        """The places that change, for the report."""
        return (*(table.change() for table in self.tables if table.plan), *(file.change() for file in self.files))

    @property
    def remaining(self) -> tuple[Finding, ...]:
        """The findings natfix does not correct by itself; of nft's own tables those that do harm as things stand."""
        left = [finding for table in self.tables for finding in table.looked.checked.findings if not finding.correctable]
        native = [finding for each in self.native for finding in each.checked.findings if not finding.shielded_by]
        return (*left, *native)

    @property
    def clusters(self) -> tuple[ClusterOrigin, ...]:
        """The clusters that decided."""
        return tuple(dict.fromkeys(
            table.looked.checked.cluster for table in self.tables if table.looked.checked.cluster is not None
        ))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user wants of a change.

    Attributes:
        clusters: the cluster of each family.
        catalogue: the audit rules.
        kernel: whether the running rules shall be corrected.
        persist: whether the saved files shall be.
        full: whether they shall get the whole running ruleset instead of natfix's corrections.
        file: a file to save to instead of the one the host restores.
        keep_connections: leave tracked connections alone.
        leave_guarded: leave rules alone that the guard makes harmless.
        leave_undone: leave alone what a person has undone: for what natfix does by itself.
        confirm: undo everything after so many seconds unless confirmed; 0 for no such thing.
        keep_records: how many of the newest records the history keeps whatever they are.
    """

    clusters: Sequence[Cluster]
    catalogue: Sequence[AuditRule]
    kernel: bool = True
    persist: bool = True
    full: bool = False
    file: str | None = None
    keep_connections: bool = False
    leave_guarded: bool = False
    leave_undone: bool = False
    confirm: float = 0
    keep_records: int = KEPT


def plan_change(machine: Machine, wishes: Wishes) -> Planned:
    """Look at the host and plan what ends the findings that natfix corrects.

    Raises:
        UsageError: the cluster is not known, or only guessed.
        HostError, UnsupportedError, RulesetSyntaxError: the host or a saved file cannot be read.
    """
    guards = machine.guard.read().guards
    unread: list[str] = []
    nft = _native(machine, unread)
    read = [(store.backend, store.read()) for store in machine.stores]
    way = Way.of(read, machine.filters, nft) if machine.filters is not None else None
    rules = faults(wishes.catalogue)
    looked = look_at_read(read, wishes.clusters, machine.links, rules, guards=guards, way=way)
    _refuse_unknown(looked)
    undone = undone_of(journeys(machine.history)) if wishes.leave_undone else Undone()
    tables = tuple(_plan_table(store, each, wishes, undone) for store, each in zip(machine.stores, looked, strict=True))
    files, notes = _plan_files(machine, tables, wishes) if wishes.persist else ((), ())
    kept = tuple(file for file in files if file.path not in undone.files)
    left = tuple(_left_alone(undone, looked, files))
    beside = Beside(tables=[each.subject.table for each in looked], way=way or Way())
    native = _look_at_native(machine, wishes, nft, guards, beside)
    planned = Planned(tables, kept, (*notes, *left, *unread), left=bool(left), native=native)
    _refuse_guess(planned)
    return planned


def _native(machine: Machine, notes: list[str]) -> NftRuleset | None:
    """Read nft's own tables."""
    data = native_listing(machine.native, notes) if machine.native is not None else None
    if not data:
        return None
    from natfix.nft import parse_nft  # noqa: PLC0415  (few hosts have such tables)

    return parse_nft(data, "nft")


def _look_at_native(
    machine: Machine, wishes: Wishes, nft: NftRuleset | None, guards: Sequence[Guard], others: Beside
) -> tuple[Looked, ...]:
    """Look at nft's own tables: what hides addresses there is told, so that nobody takes a host for right that is not."""
    if nft is None:
        return ()
    from natfix.app.native import look_at_native  # noqa: PLC0415

    network = (machine.links.interfaces(), machine.links.routes())
    found = look_at_native(
        nft,
        wishes.clusters,
        faults(wishes.catalogue),
        network=network,
        guards=guards,
        places=others.way.places,
        beside=others.tables,
    )
    return tuple(found)


def _refuse_unknown(looked: Iterable[Looked]) -> None:
    ruled = [each.checked for each in looked if each.checked.rules]
    if ruled and not any(table.cluster for table in ruled):
        raise UsageError("no cluster CIDR is known, so nothing can be corrected", hint=UNKNOWN_CLUSTER_HINT)


def _refuse_guess(planned: Planned) -> None:
    saved = {file.family for file in planned.files}
    for table in planned.tables:
        cluster = table.looked.checked.cluster
        if cluster is not None and cluster.guessed and (table.plan or table.store.backend.family in saved):
            networks = ",".join(map(str, cluster.networks))
            raise UsageError(
                f"the cluster CIDR {networks} is only guessed (from {cluster.origin}), and a guess is not applied",
                hint=f"If it is right, say so: --cluster-cidr {networks}",
            )


def _left_alone(undone: Undone, looked: Iterable[Looked], files: Iterable[PlannedFile]) -> Iterator[str]:
    """Tell of what would be corrected but for an undo."""
    wrong = {(each.checked.source, str(finding.rule)) for each in looked for finding in each.checked.findings}
    wrong |= {(file.path, "") for file in files}
    for left in undone.told:
        if (left.place, left.rule) in wrong:
            yield reminder(left)


def _plan_table(store: RulesetStore, looked: Looked, wishes: Wishes, undone: Undone) -> PlannedTable:
    guard = table_name(store.backend.family)
    wanted = [
        each
        for each in looked.checked.findings
        if not (wishes.leave_guarded and each.shielded_by == guard) and not undone.holds(store.backend, each.rule)
    ]
    plan = repair(looked.subject, wanted) if wishes.kernel else Plan()
    return PlannedTable(store, looked, plan, rewrite(looked.ruleset, looked.subject.table, plan) if plan else looked.ruleset)


def _plan_files(
    machine: Machine, tables: Iterable[PlannedTable], wishes: Wishes
) -> tuple[tuple[PlannedFile, ...], tuple[str, ...]]:
    judged = [table for table in tables if table.looked.subject.cluster]
    paths = machine.saved.paths() if wishes.file is None else _one_path(wishes.file, judged, full=wishes.full)
    files: list[PlannedFile] = []
    for family in dict.fromkeys(table.store.backend.family for table in judged):
        path = paths.get(family)
        if path is not None:
            mine = [table for table in judged if table.store.backend.family is family]
            files.extend((_plan_full if wishes.full else _plan_file)(machine, path, family, mine, wishes))
    return tuple(files), tuple(_notes(wishes, files, has_place=bool(paths or not judged)))


def _one_path(path: str, judged: Sequence[PlannedTable], *, full: bool) -> Mapping[Family, str]:
    """The file for the family that has something to save; one file holds one family."""
    families = [table.store.backend.family for table in judged if full or corrections(after_change(table))]
    if len(set(families)) > 1:
        raise UsageError(
            f"{path} is one file, and rules of both IPv4 and IPv6 are to be saved",
            hint="Without --file each family goes to its own; --no-persist saves none.",
        )
    return dict.fromkeys(families or [table.store.backend.family for table in judged[:1]], path)


def _notes(wishes: Wishes, files: Iterable[PlannedFile], *, has_place: bool) -> Iterable[str]:
    if not has_place:
        yield "no service of this host restores a saved ruleset (iptables-services, netfilter-persistent): none is written"
    for file in files if wishes.full else ():
        ruleset = parse(file.after, file.path, file.family)
        live = sorted({name for table in ruleset.tables for name in table.declared if name.startswith(LIVE_CHAINS)})
        if live:
            more = f" and {len(live) - _NAMED} more" if len(live) > _NAMED else ""
            yield f"{file.path} freezes chains that other programs rewrite while they run: {', '.join(live[:_NAMED])}{more}"


def _plan_file(
    machine: Machine, path: str, family: Family, tables: Iterable[PlannedTable], wishes: Wishes
) -> Iterable[PlannedFile]:
    before = after = machine.files.read(path)
    for table in tables:
        after = save_into(after, path, after_change(table), faults(wishes.catalogue)) or after
    if after is not None and after != before:
        yield PlannedFile(path, family, before, after)


def _plan_full(
    machine: Machine,
    path: str,
    family: Family,
    tables: Sequence[PlannedTable],
    wishes: Wishes,  # noqa: ARG001
) -> Iterable[PlannedFile]:
    """The whole running ruleset, as iptables-save prints it: what the seed's recipe saves."""
    if len(tables) > 1:
        names = " and ".join(str(table.store.backend) for table in tables)
        raise UnsupportedError(f"{names} both hold rules, and one file cannot hold both rulesets", hint="Save without --full.")
    before, after = machine.files.read(path), tables[0].store.dump()
    if before is None or not same_text(before, after):
        yield PlannedFile(path, family, before, after)


def after_change(planned: PlannedTable) -> Subject:
    """The nat table as it will be, with what decides about it."""
    subject = planned.looked.subject
    table = planned.after.table("nat", subject.family)
    assert table is not None, "a plan takes no table away"  # noqa: S101
    return Subject(table, subject.cluster, subject.bridges, subject.devices)
