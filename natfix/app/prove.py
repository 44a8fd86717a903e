"""``natfix prove``: the kernel as judge of what natfix says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import ip_interface

from natfix.app.check import UNKNOWN_CLUSTER_HINT, look_at_store
from natfix.app.cluster import Cluster
from natfix.app.ports import Interface, Links, NftListing, RulesetStore, Variant
from natfix.app.prove_cases import Case, NativeTables, native_cases, native_tables, text_cases, with_native
from natfix.app.prove_ports import Judge, Trial
from natfix.app.shown import shown
from natfix.app.texts import notes_on
from natfix.audit import AuditRule
from natfix.audit.claims import TABLES, Claim, claims
from natfix.errors import UsageError
from natfix.nft.trial import loadable, named_devices, replacing
from natfix.packets import Fate
from natfix.packets.ipset import parse_ipsets
from natfix.plan import repair, rewrite
from natfix.report.model import ClusterOrigin
from natfix.report.proof import Proof, ProofResult, ProvedTable
from natfix.ruleset import Family, Rule, Ruleset, Table, parse

# What a set that nobody told of is taken to be, by the number of its directions; it is empty.
_STAND_INS = {1: "hash:net", 2: "hash:ip,port", 3: "hash:ip,port,ip"}


def prove_texts(  # noqa: PLR0913  (all but the first three by name)
    rulesets: Sequence[Ruleset],
    clusters: Sequence[Cluster],
    catalogue: Sequence[AuditRule],
    *,
    judge: Judge,
    variant: Variant = "nft",
    ipsets: str = "",
    native: NativeTables | None = None,
) -> ProofResult:
    """Prove what natfix says of iptables-save texts, from whatever host they are.

    Args:
        rulesets: the texts.
        clusters: the cluster of each family.
        catalogue: the audit rules.
        judge: the kernel.
        variant: which iptables loads them.
        ipsets: what ``ipset save`` printed on their host.
        native: nft's own tables, which are loaded beside each text.

    Raises:
        UsageError: no cluster of the texts' families is known.
        HostError: the kernel cannot be asked, or does not load the rules.
    """
    beside = native or NativeTables()
    cases = list(text_cases(rulesets, clusters, catalogue, variant))
    cases = [with_native(case, clusters, beside) for case in cases] + native_cases(cases, clusters, beside)
    holding = [each.source for each in rulesets if any(each.families("nat"))]
    holding += [beside.ruleset.source] if beside.objects else []
    if not cases and holding:
        raise UsageError(f"no cluster CIDR is known for {holding[0]}", hint=UNKNOWN_CLUSTER_HINT)
    return _proved(cases, clusters, judge, ipsets, [note for each in rulesets for note in notes_on(each)])


def prove_host(  # noqa: PLR0913  (all but the first four by name)
    stores: Sequence[RulesetStore],
    clusters: Sequence[Cluster],
    links: Links,
    catalogue: Sequence[AuditRule],
    *,
    judge: Judge,
    ipsets: str = "",
    native: NftListing | None = None,
) -> ProofResult:
    """Prove what natfix says of this host, of which nothing is touched: its rules are loaded in another namespace.

    Raises:
        UsageError: no cluster of its families is known.
        HostError: a table cannot be read, or the kernel cannot be asked.
    """
    interfaces, routes = links.interfaces(), links.routes()
    addresses = {each.name: tuple(map(str, each.addresses)) for each in interfaces}
    tables = shown(stores, lambda store: parse(store.dump(), str(store.backend), store.backend.family))
    notes: list[str] = []
    listed = tables.native(native, notes) if native is not None else None
    beside, network = native_tables([(listed, "nft")] if listed else []), (interfaces, routes)
    cases: list[Case] = []
    for store, ruleset in tables.read:
        family = store.backend.family
        if any(cluster.family is family for cluster in clusters):
            case = Case(ruleset, store.backend, addresses=addresses)
            if ruleset.table("nat", family) is not None:
                looked = look_at_store(ruleset, family, clusters, network, catalogue)
                case = replace(case, subjects=[looked.subject], findings=looked.checked.findings)
            cases.append(with_native(case, clusters, beside, network))
    cases += [replace(case, addresses=addresses) for case in native_cases(cases, clusters, beside, network)]
    if (stores or beside.objects) and not cases:
        raise UsageError("no cluster CIDR is known for this host", hint=UNKNOWN_CLUSTER_HINT)
    return _proved(cases, clusters, judge, ipsets, notes)


def _proved(
    cases: Sequence[Case], clusters: Sequence[Cluster], judge: Judge, ipsets: str, told: Sequence[str] = ()
) -> ProofResult:
    notes = list(told)
    tables = [table for case in cases for table in _tried(case, judge, ipsets, notes)]
    families = {case.backend.family for case in cases}
    origins = tuple(ClusterOrigin(each.networks, each.origin, each.guessed) for each in clusters if each.family in families)
    return ProofResult(tuple(tables), origins, tuple(dict.fromkeys(notes)))


def _tried(case: Case, judge: Judge, ipsets: str, notes: list[str]) -> Iterator[ProvedTable]:
    """Try the rules as they are, and as natfix would correct them."""
    yield _try(case, case.ruleset, judge, ipsets, notes)
    plan = repair(case.subjects[0], case.findings) if case.findings else None
    if plan:
        yield _try(case, rewrite(case.ruleset, case.subjects[0].table, plan), judge, ipsets, notes)


def _try(case: Case, ruleset: Ruleset, judge: Judge, ipsets: str, notes: list[str]) -> ProvedTable:
    family = case.backend.family
    tables = [table for name in TABLES if (table := ruleset.table(name, family)) is not None]
    made = _stand_ins(tables, ipsets)
    notes += [f"nobody tells what is in the ipset {name}; the kernel was asked with an empty one" for name in made]
    sets = "\n".join([ipsets.rstrip("\n"), *made.values(), ""]).lstrip("\n")
    named = [(ruleset.source, table) for table in tables]
    native = [base.place for base in case.native.ruleset.chains if base.table.family is family]
    found = claims(case.subjects, named, native=native, ipsets=parse_ipsets(ipsets, "ipsets"))
    # A packet with another protocol than these has no checksum that natfix could write.
    sent = tuple(claim for claim in found if claim.packet.protocol not in {"sctp", "dccp"})
    corrected = ruleset is not case.ruleset
    if not sent:
        return ProvedTable(case.source, case.program, corrected, ())
    rules, packets = "".join(_block(table) for table in tables), tuple(claim.packet for claim in sent)
    own = case.native.objects if native else ()
    trial = Trial(case.backend, rules, packets, case.addresses, sets, loadable(own), named_devices(own), replacing(own))
    seen = judge.judge(trial)
    proofs = (Proof(claim, source, _expected(claim, case)) for claim, source in zip(sent, seen, strict=True))
    return ProvedTable(case.source, case.program, corrected, tuple(proofs))


def _block(table: Table) -> str:
    # No restore program takes the line endings of Windows.
    return "\n".join([*(line.rstrip("\r") for line in table.lines[table.start : table.stop + 1]), ""])


def _expected(claim: Claim, case: Case) -> tuple[str, ...]:
    """The addresses a rewritten packet can have; empty where natfix does not know the device's."""
    if claim.fate is not Fate.SOURCE_NAT:
        return ()
    if claim.given is not None:
        return (str(claim.given),) if claim.given.first == claim.given.last else ()
    if claim.rule is None or claim.rule.target != "MASQUERADE":
        return ()
    own = map(ip_interface, case.addresses.get(claim.packet.out_interface, ()))
    # Where the device has none the kernel takes one of another device.
    seen = Interface(claim.packet.out_interface, addresses=tuple(own)).seen_elsewhere(case.backend.family)
    return tuple(str(each.ip) for each in seen)


def _stand_ins(tables: Sequence[Table], ipsets: str) -> dict[str, str]:
    """For each set that rules refer to and nobody told of, the line that makes an empty one."""
    known = parse_ipsets(ipsets, "ipsets")
    family = {Family.IPV4: "inet", Family.IPV6: "inet6"}
    made: dict[str, str] = {}
    for table in tables:
        for rule in _rules(table):
            for option in rule.options:
                if option.name == "match-set" and option.values[0] not in known:
                    name, directions = option.values
                    kind = _STAND_INS.get(len(directions.split(",")), "hash:net")
                    made[name] = f"create {name} {kind} family {family[table.family]}"
    return made


def _rules(table: Table) -> Iterator[Rule]:
    for name in table.declared:
        chain = table.chain(name)
        yield from chain.rules if chain else ()
