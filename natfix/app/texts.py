"""What a reader of iptables-save texts should know of them before their rules."""

from __future__ import annotations

from collections.abc import Iterator

from natfix.ruleset import Family, Ruleset, Table


def notes_on(ruleset: Ruleset) -> Iterator[str]:
    """Say that a text tells of both backends, and which tables of it count for nothing."""
    parts = ruleset.by_backend()
    if len(parts) > 1:
        yield f"{ruleset.source} holds what iptables-nft and iptables-legacy printed; the kernel asks both, and so does natfix"
    for part in parts:
        found: dict[tuple[str, Family], list[Table]] = {}
        for table in part.tables:
            found.setdefault((table.name, table.family), []).append(table)
        for (name, family), tables in found.items():
            if len(tables) > 1:
                *others, last = (str(table.start + 1) for table in tables)
                yield (
                    f"{ruleset.source} holds the table {name} of IPv{family.value} in lines {', '.join(others)} and {last};"
                    " only the last counts, as iptables-restore would leave it: dumps of several hosts belong in a file each"
                )
