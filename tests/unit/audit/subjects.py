"""Nat tables for tests of the audit and of what is built on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from natfix.audit import AuditRule, Severity, Subject
from natfix.audit.rulefile import FixKind
from natfix.ruleset import Family, Network, Ruleset, parse, parse_network

CLUSTER = ("172.7.0.0/16",)
BROAD = "-s 172.7.21.0/24 ! -o docker0 -j MASQUERADE"
CORRECTED = "-s 172.7.21.0/24 ! -d 172.7.0.0/16 ! -o docker0 -j MASQUERADE"


def ruleset(*rules: str, chains: Mapping[str, Iterable[str]] | None = None, ending: str = "\n") -> Ruleset:
    """A nat table with *rules* in POSTROUTING and in *chains*."""
    others = dict(chains or {})
    declared = [":POSTROUTING ACCEPT [0:0]", *(f":{name} - [0:0]" for name in others)]
    held = [f"-A {name} {spec}" for name, specs in others.items() for spec in specs]
    lines = ["*nat", *declared, *(f"-A POSTROUTING {spec}" for spec in rules), *held, "COMMIT", ""]
    return parse(ending.join(lines).encode("utf-8", "surrogateescape"), "rules.v4")


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(map(parse_network, texts))


def subject_of(
    text: Ruleset,
    cluster: Iterable[str] = CLUSTER,
    *,
    bridges: Mapping[str, Iterable[str]] | None = None,
    devices: Mapping[str, str] | None = None,
) -> Subject:
    table = text.table("nat", next(text.families("nat")))
    assert table is not None
    held = {name: networks(each) for name, each in (bridges or {}).items()}
    return Subject(table, networks(cluster), held, devices or {})


def subject(*rules: str, cluster: Iterable[str] = CLUSTER, chains: Mapping[str, Iterable[str]] | None = None) -> Subject:
    return subject_of(ruleset(*rules, chains=chains), cluster)


def kind(analysis: str = "over-broad-source-nat", fix: FixKind = "none", *, targets: Iterable[str] = ()) -> AuditRule:
    return AuditRule(
        id="T001",
        name="test",
        severity=Severity.HIGH,
        summary="A test.",
        rationale="Why.",
        remediation="Do this.\nThen that.",
        references=(),
        analysis=analysis,
        targets=frozenset(targets),
        families=frozenset(Family),
        fix=fix,
        examples=(),
    )
