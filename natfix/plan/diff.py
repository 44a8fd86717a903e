"""What a change would do, as people read changes: unified diffs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from natfix.ruleset import Ruleset


def text_diff(before: bytes | None, after: bytes | None, name: str) -> tuple[str, ...]:
    """The lines of a unified diff of a file; None stands for a file that is not there."""
    old_name, new_name = name if before is not None else "/dev/null", name if after is not None else "/dev/null"
    return _unified(_lines(before), _lines(after), old_name, new_name)


def ruleset_diff(before: Ruleset, after: Ruleset) -> tuple[str, ...]:
    """The lines of a unified diff of what two rulesets say, without counters."""
    return _unified(_said(before), _said(after), before.source, before.source)


def _said(ruleset: Ruleset) -> list[str]:
    return [
        str(rule)
        for table in ruleset.tables
        for name in table.declared
        if (chain := table.chain(name)) is not None
        for rule in chain.rules
    ]


def _lines(data: bytes | None) -> Sequence[str]:
    # str.splitlines would also cut at characters that a comment may hold, such as U+2028.
    lines = (data or b"").decode("utf-8", "surrogateescape").replace("\r\n", "\n").split("\n")
    return lines if lines[-1] else lines[:-1]


def _unified(old: Iterable[str], new: Iterable[str], old_name: str, new_name: str) -> tuple[str, ...]:
    return tuple(difflib.unified_diff(list(old), list(new), old_name, new_name, lineterm=""))
