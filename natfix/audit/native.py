"""Audit rules for nft's own tables: the same packets decide; who keeps the table, and no natfix apply, can change its rules."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from natfix.audit.analyses import HIDING
from natfix.audit.catalogue import Catalogue
from natfix.audit.rulefile import AuditRule
from natfix.audit.suppression import Suppressions

REMEDIATION: Final = (
    "natfix apply leaves nft's own tables to the program that keeps them. `natfix guard on` keeps the addresses before any of\n"
    "these tables is asked; `natfix explain` tells the switch of the program that wrote the rule."
)


def for_native(catalogue: Iterable[AuditRule]) -> Catalogue:
    """The audit rules that speak of hidden addresses, none of which corrects anything."""
    rules = tuple(replace(kind, fix="none", remediation=REMEDIATION) for kind in catalogue if kind.analysis in HIDING)
    return Catalogue(rules, catalogue.suppressions if isinstance(catalogue, Catalogue) else Suppressions())
