"""Rule files against a ruleset: findings. Pure."""

from __future__ import annotations

from natfix.audit.finding import Finding, audit_table
from natfix.audit.rulefile import AuditRule, Example, Severity, load_rule
from natfix.audit.subject import Locality, Subject

__all__ = ["AuditRule", "Example", "Finding", "Locality", "Severity", "Subject", "audit_table", "load_rule"]
