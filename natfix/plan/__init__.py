"""From findings to edits, transactions, saved files and back. Pure."""

from __future__ import annotations

from natfix.plan.diff import ruleset_diff, text_diff
from natfix.plan.edit import Edit, Plan, exclude
from natfix.plan.merge import same_text
from natfix.plan.repair import repair
from natfix.plan.rewrite import rewrite
from natfix.plan.saved import corrections, save_into, take_from
from natfix.plan.transaction import compile_script
from natfix.plan.undo import inverse

__all__ = [
    "Edit",
    "Plan",
    "compile_script",
    "corrections",
    "exclude",
    "inverse",
    "repair",
    "rewrite",
    "ruleset_diff",
    "same_text",
    "save_into",
    "take_from",
    "text_diff",
]
