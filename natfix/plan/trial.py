"""Trying the examples that come with an audit rule: what it must find, pass over, and make of a text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from natfix.audit import AuditRule, Finding, Subject, audit_table
from natfix.audit.example import Example
from natfix.audit.subject import subject_of
from natfix.errors import NatfixError
from natfix.plan.repair import repair
from natfix.plan.rewrite import rewrite
from natfix.ruleset import Ruleset, family_of, parse, render


def flaws(kind: AuditRule, others: Sequence[AuditRule] = ()) -> tuple[str, ...]:
    """Say what is missing in an audit rule and which of its examples is not kept, one sentence each.

    Args:
        kind: the audit rule, with its examples.
        others: the audit rules it will stand beside; one of the same id, or for the same author, takes its place there.
    """
    return (
        *_missing(kind),
        *(f"example “{each.title}”: {flaw}" for each in kind.examples for flaw in tried(kind, each, others)),
    )


def tried(kind: AuditRule, example: Example, others: Sequence[AuditRule] = ()) -> tuple[str, ...]:
    """Say in which points *example* is not kept."""
    try:
        ruleset = parse(example.text.lstrip("\n").encode("utf-8", "surrogateescape"), example.source)
        return tuple(_tried(kind, example, ruleset, [kind, *(each for each in others if each.id != kind.id)]))
    except NatfixError as error:
        return (str(error),)


def _missing(kind: AuditRule) -> Iterator[str]:
    found = [example for example in kind.examples if example.finds]
    if not found:
        yield "no example shows what it finds"
    if len(found) == len(kind.examples):
        yield "no example shows what it passes over"
    if kind.fix != "none" and not any(example.fixed for example in found):
        yield "no example shows what natfix apply makes of a text"
    for example in kind.examples:
        if example.title.startswith("silent: ") is bool(example.finds):
            yield f"example “{example.title}”: its title begins with “silent: ” if, and only if, nothing is found"


def _tried(kind: AuditRule, example: Example, ruleset: Ruleset, catalogue: Sequence[AuditRule]) -> Iterator[str]:
    subject = _subject(ruleset, example)
    if subject is None:
        yield "the text holds no nat table of its family"
        return
    findings = audit_table(subject, catalogue)
    mine = [finding for finding in findings if finding.kind.id == kind.id]
    if (found := [_spec(finding) for finding in mine]) != list(example.finds):
        yield f"it finds {found}, not {list(example.finds)}"
    if wrong := [_spec(finding) for finding in mine if finding.certain is not example.certain]:
        yield f"{wrong} is found as {'possible' if example.certain else 'certain'}"
    yield from _corrected(example, ruleset, subject, findings, catalogue)


def _corrected(
    example: Example, ruleset: Ruleset, subject: Subject, findings: Sequence[Finding], catalogue: Sequence[AuditRule]
) -> Iterator[str]:
    fixed = rewrite(ruleset, subject.table, repair(subject, findings))
    text = render(fixed).decode("utf-8", "surrogateescape")
    if example.fixed is not None and text != example.fixed.lstrip("\n"):
        yield f"natfix apply makes of it\n{text}"
    after = _subject(fixed, example)
    assert after is not None, "a correction takes no table away"  # noqa: S101
    if left := [str(each.rule) for each in audit_table(after, catalogue) if each.correctable]:
        yield f"after natfix apply it still finds {left}"


def _subject(ruleset: Ruleset, example: Example) -> Subject | None:
    family = example.family or next(map(family_of, example.cluster), None) or next(ruleset.families("nat"), None)
    halves = ruleset.by_backend()
    return subject_of(halves[-1], family, example.cluster, example.facts, halves) if family else None


def _spec(finding: Finding) -> str:
    return finding.rule.spec
