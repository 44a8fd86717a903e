"""``natfix prove``: the kernel as judge of what natfix says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from natfix.app.check import UNKNOWN_CLUSTER_HINT, look_at_store
from natfix.app.cluster import Cluster
from natfix.app.ports import Backend, Links, RulesetStore, Variant
from natfix.app.prove_ports import Judge, Trial
from natfix.audit import AuditRule, Finding, Subject, audit_table
from natfix.audit.claims import TABLES, Claim, claims
from natfix.audit.subject import filtering_of
from natfix.errors import UsageError
from natfix.packets import Fate
from natfix.packets.ipset import parse_ipsets
from natfix.plan import repair, rewrite
from natfix.report.model import ClusterOrigin
from natfix.report.proof import Proof, ProofResult, ProvedTable
from natfix.ruleset import Family, Rule, Ruleset, Table, parse

# What a set that nobody told of is taken to be, by the number of its directions; it is empty.
_STAND_INS = {1: "hash:net", 2: "hash:ip,port", 3: "hash:ip,port,ip"}


@dataclass(frozen=True)
class _Case:
    """One ruleset to prove.

    Attributes:
        ruleset: all of it.
        backend: which iptables loads it.
        subject: what natfix judges it by.
        findings: what natfix finds.
        addresses: of the host's devices.
    """

    ruleset: Ruleset
    backend: Backend
    subject: Subject
    findings: Sequence[Finding]
    addresses: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def prove_texts(  # noqa: PLR0913  (all but the first three by name)
    rulesets: Sequence[Ruleset],
    clusters: Sequence[Cluster],
    catalogue: Sequence[AuditRule],
    *,
    judge: Judge,
    variant: Variant = "nft",
    ipsets: str = "",
) -> ProofResult:
    """Prove what natfix says of iptables-save texts, from whatever host they are.

    Args:
        rulesets: the texts.
        clusters: the cluster of each family.
        catalogue: the audit rules.
        judge: the kernel.
        variant: which iptables loads them.
        ipsets: what ``ipset save`` printed on their host.

    Raises:
        UsageError: no cluster of the texts' families is known.
        HostError: the kernel cannot be asked, or does not load the rules.
    """
    cases = list(_text_cases(rulesets, clusters, catalogue, variant))
    if not cases and any(ruleset.table("nat", family) for ruleset in rulesets for family in ruleset.families("nat")):
        raise UsageError(f"no cluster CIDR is known for {rulesets[0].source}", hint=UNKNOWN_CLUSTER_HINT)
    return _proved(cases, clusters, judge, ipsets)


def prove_host(  # noqa: PLR0913  (all but the first four by name)
    stores: Sequence[RulesetStore],
    clusters: Sequence[Cluster],
    links: Links,
    catalogue: Sequence[AuditRule],
    *,
    judge: Judge,
    ipsets: str = "",
) -> ProofResult:
    """Prove what natfix says of this host, of which nothing is touched: its rules are loaded in another namespace.

    Raises:
        UsageError: no cluster of its families is known.
        HostError: a table cannot be read, or the kernel cannot be asked.
    """
    interfaces, routes = links.interfaces(), links.routes()
    addresses = {each.name: tuple(map(str, each.addresses)) for each in interfaces}
    cases = []
    for store in stores:
        family = store.backend.family
        if any(cluster.family is family for cluster in clusters):
            ruleset = parse(store.dump(), str(store.backend), family)
            looked = look_at_store(ruleset, family, clusters, (interfaces, routes), catalogue)
            cases.append(_Case(ruleset, store.backend, looked.subject, looked.checked.findings, addresses))
    if stores and not cases:
        raise UsageError("no cluster CIDR is known for this host", hint=UNKNOWN_CLUSTER_HINT)
    return _proved(cases, clusters, judge, ipsets)


def _text_cases(
    rulesets: Sequence[Ruleset], clusters: Sequence[Cluster], catalogue: Sequence[AuditRule], variant: Variant
) -> Iterator[_Case]:
    for ruleset in rulesets:
        for cluster in clusters:
            table = ruleset.table("nat", cluster.family)
            if table is not None:
                subject = Subject(table, cluster.networks, filtering=filtering_of(ruleset, cluster.family))
                yield _Case(ruleset, Backend(cluster.family, variant), subject, audit_table(subject, catalogue))


def _proved(cases: Sequence[_Case], clusters: Sequence[Cluster], judge: Judge, ipsets: str) -> ProofResult:
    notes: list[str] = []
    tables = [table for case in cases for table in _tried(case, judge, ipsets, notes)]
    families = {case.subject.family for case in cases}
    origins = tuple(ClusterOrigin(each.networks, each.origin, each.guessed) for each in clusters if each.family in families)
    return ProofResult(tuple(tables), origins, tuple(dict.fromkeys(notes)))


def _tried(case: _Case, judge: Judge, ipsets: str, notes: list[str]) -> Iterator[ProvedTable]:
    """Try the rules as they are, and as natfix would correct them."""
    yield _try(case, case.ruleset, judge, ipsets, notes)
    plan = repair(case.subject, case.findings)
    if plan:
        yield _try(case, rewrite(case.ruleset, case.subject.table, plan), judge, ipsets, notes)


def _try(case: _Case, ruleset: Ruleset, judge: Judge, ipsets: str, notes: list[str]) -> ProvedTable:
    family = case.subject.family
    tables = [table for name in TABLES if (table := ruleset.table(name, family)) is not None]
    made = _stand_ins(tables, ipsets)
    notes += [f"nobody tells what is in the ipset {name}; the kernel was asked with an empty one" for name in made]
    sets = "\n".join([ipsets.rstrip("\n"), *made.values(), ""]).lstrip("\n")
    found = claims(case.subject, [(ruleset.source, table) for table in tables], ipsets=parse_ipsets(ipsets, "ipsets"))
    # A packet with another protocol than these has no checksum that natfix could write.
    sent = tuple(claim for claim in found if claim.packet.protocol not in {"sctp", "dccp"})
    corrected = ruleset is not case.ruleset
    if not sent:
        return ProvedTable(ruleset.source, str(case.backend), corrected, ())
    rules = "".join(_block(table) for table in tables)
    seen = judge.judge(Trial(case.backend, rules, tuple(claim.packet for claim in sent), case.addresses, sets))
    proofs = (Proof(claim, source, _expected(claim, case)) for claim, source in zip(sent, seen, strict=True))
    return ProvedTable(ruleset.source, str(case.backend), corrected, tuple(proofs))


def _block(table: Table) -> str:
    return "\n".join([*table.lines[table.start : table.stop + 1], ""])


def _expected(claim: Claim, case: _Case) -> tuple[str, ...]:
    """The addresses a rewritten packet can have; empty where natfix does not know the device's."""
    if claim.fate is not Fate.SOURCE_NAT:
        return ()
    if claim.source:
        return (claim.source,)
    if claim.rule is None or claim.rule.target != "MASQUERADE":
        return ()
    own = case.addresses.get(claim.packet.out_interface, ())
    version = 4 if case.subject.family is Family.IPV4 else 6
    return tuple(each.partition("/")[0] for each in own if (":" in each) is (version == 6))  # noqa: PLR2004


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
