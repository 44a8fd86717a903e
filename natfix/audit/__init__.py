"""Rule files against a ruleset: findings. Pure."""

from __future__ import annotations

from natfix.audit.catalogue import Audited, Catalogue, audit, audit_table, faults
from natfix.audit.facts import HostFacts
from natfix.audit.finding import Finding
from natfix.audit.rulefile import AuditRule, Severity, load_rule
from natfix.audit.subject import Locality, Subject
from natfix.audit.suppression import Suppression, Suppressions

__all__ = [
    "AuditRule",
    "Audited",
    "Catalogue",
    "Finding",
    "HostFacts",
    "Locality",
    "Severity",
    "Subject",
    "Suppression",
    "Suppressions",
    "audit",
    "audit_table",
    "faults",
    "load_rule",
]
