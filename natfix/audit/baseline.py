"""What a host was found with on the day somebody began to look: findings known since then are left out of a check.

Unlike a suppression nobody has decided anything about them, so a baseline names findings and not scopes: the same rule of
the ruleset, found by the same audit rule. A rule that changes by one word is a new finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from natfix.audit.finding import Finding
from natfix.errors import ConfigError
from natfix.ruleset import Family

SCHEMA = 1


class Known(NamedTuple):
    """One finding, by what stays the same as long as it is the same.

    Attributes:
        id: of the audit rule.
        family: ``ipv4`` or ``ipv6``.
        table: of the rule that was found.
        rule: its text.
    """

    id: str
    family: str
    table: str
    rule: str

    @classmethod
    def of(cls, finding: Finding, family: Family) -> Self:
        """Name *finding*; bytes that were no UTF-8 are U+FFFD, as JSON knows no others."""
        text = str(finding.rule).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        return cls(finding.kind.id, family.name.lower(), finding.table, text)


@dataclass(frozen=True, slots=True)
class Baseline:
    """The findings that are known."""

    known: frozenset[Known] = frozenset()

    @classmethod
    def of(cls, findings: Iterable[tuple[Finding, Family]]) -> Self:
        """Know all of *findings*, each with the family of its table."""
        return cls(frozenset(Known.of(finding, family) for finding, family in findings))

    def to_json(self) -> dict[str, Any]:
        """The baseline in JSON types, the same bytes for the same findings; from_json reads it."""
        return {"schema": SCHEMA, "known": [each._asdict() for each in sorted(self.known)]}

    @classmethod
    def from_json(cls, data: Any, source: str) -> Self:  # noqa: ANN401  (JSON)
        """Read what to_json wrote.

        Raises:
            ConfigError: *data* is something else, or of a later version; names *source*.
        """
        try:
            if data["schema"] != SCHEMA:
                raise ConfigError(f"{source} is of version {data['schema']!r}", hint=f"This natfix reads version {SCHEMA}.")
            known = [Known(**each) for each in data["known"]]
        except (KeyError, TypeError) as error:
            raise ConfigError(f"{source} is no baseline: {error!r}", hint=HINT) from error
        if not all(isinstance(text, str) for each in known for text in each):
            raise ConfigError(f"{source} is no baseline: it holds what is no text", hint=HINT)
        return cls(frozenset(known))


HINT = "Write one with: natfix check --write-baseline FILE"
