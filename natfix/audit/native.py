"""Audit rules for nft's own tables: the same packets decide; who keeps the table, and no natfix apply, can change its rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from natfix.audit.analyses import CALLS, HIDING
from natfix.audit.catalogue import Catalogue
from natfix.audit.rulefile import AuditRule
from natfix.audit.suppression import Suppressions

REMEDIATION: Final = (
    "natfix apply leaves nft's own tables to the program that keeps them. `natfix guard on` keeps the addresses before any of\n"
    "these tables is asked; `natfix explain` tells the switch of the program that wrote the rule."
)


def for_native(catalogue: Iterable[AuditRule]) -> Catalogue:
    """The audit rules that speak of hidden addresses, none of which corrects anything."""
    rules = tuple(_told(kind) for kind in catalogue if kind.analysis in HIDING | CALLS)
    return Catalogue(rules, catalogue.suppressions if isinstance(catalogue, Catalogue) else Suppressions())


def _told(kind: AuditRule) -> AuditRule:
    # The cure of calls is kube-proxy's own, whose marks the guard respects.
    return replace(kind, fix="none", remediation=kind.remediation if kind.analysis in CALLS else REMEDIATION)
