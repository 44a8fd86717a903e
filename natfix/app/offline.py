"""Correct an iptables-save text without touching any host."""

from __future__ import annotations

from collections.abc import Sequence

from natfix.app.check import check_texts
from natfix.app.cluster import Cluster
from natfix.audit import AuditRule, audit_table, faults
from natfix.audit.subject import subject_of
from natfix.plan import repair, rewrite, text_diff
from natfix.report.changes import Change, ChangeResult
from natfix.ruleset import Ruleset, render


def correct_text(ruleset: Ruleset, clusters: Sequence[Cluster], catalogue: Sequence[AuditRule]) -> tuple[bytes, ChangeResult]:
    """Correct what natfix corrects in *ruleset*; every other line stays byte for byte.

    Returns:
        The new text, and what differs in it; nothing is done until somebody writes it.

    Raises:
        RulesetSyntaxError: a chain that POSTROUTING reaches cannot be read.
        UsageError: no cluster of its families is known.
    """
    catalogue = faults(catalogue)
    checked = check_texts([ruleset], clusters, catalogue)
    corrected = ruleset
    for place in range(len(ruleset.by_backend())):
        for cluster in clusters:
            halves = corrected.by_backend()
            subject = subject_of(halves[place], cluster.family, cluster.networks, halves=halves)
            if subject is not None:
                corrected = rewrite(corrected, subject.table, repair(subject, audit_table(subject, catalogue)))
    before, after = render(ruleset), render(corrected)
    changes = (Change(ruleset.source, text_diff(before, after, ruleset.source)),) if before != after else ()
    remaining = tuple(finding for finding in checked.findings if not finding.correctable)
    return after, ChangeResult(
        "apply", done=False, changes=changes, clusters=checked.clusters, remaining=remaining, notes=checked.notes
    )
