"""What a check of several sources adds: findings of one kind together, and sources that could not be looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from natfix.audit import AuditRule, Finding, Severity
from natfix.errors import NatfixError, RulesetSyntaxError
from natfix.report.model import CheckedTable, CheckResult

if TYPE_CHECKING:  # Pictures are asked for rarely.
    from natfix.report.cases import Case
    from natfix.report.chart import Chart


# A page with a thousand pictures shows nobody anything, and the same fault on a thousand hosts looks the same.
PICTURED: Final = 3


@dataclass(frozen=True, slots=True)
class Unread:
    """A source that could not be looked at, among others that could.

    Attributes:
        source: as the user named it.
        problem: what is wrong, one sentence, without the place.
        message: the same with the place, which it points at; several lines.
        hint: what to do; empty when there is nothing to say.
        line: 1-based line of the place; 0 when there is none.
        column: 1-based column; 0 when there is none.
        exit_code: what the error would have ended a command with.
    """

    source: str
    problem: str
    message: str
    hint: str
    line: int
    column: int
    exit_code: int

    @classmethod
    def of(cls, source: str, error: NatfixError) -> Unread:
        """Keep what *error* says about *source*."""
        line, column, problem = 0, 0, error.message
        if isinstance(error, RulesetSyntaxError):
            line, column, problem = error.line, error.column, error.problem
        return cls(source, problem, error.message, error.hint or "", line, column, error.exit_code)

    def __str__(self) -> str:
        """Spell it as the error spells itself."""
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


@dataclass(frozen=True, slots=True)
class Place:
    """A finding and the table it was found in.

    Attributes:
        table: the table.
        finding: the finding.
        chart: its picture, if it has one and somebody asked for it.
    """

    table: CheckedTable
    finding: Finding
    chart: Chart | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """All findings of one kind.

    Attributes:
        kind: the audit rule.
        places: where it was found, in the order looked at; never empty.
    """

    kind: AuditRule
    places: tuple[Place, ...]

    @property
    def severity(self) -> Severity:
        """That of the worst of them."""
        return max(place.finding.severity for place in self.places)

    @property
    def sources(self) -> int:
        """In how many sources it was found."""
        return len({place.table.origin for place in self.places})

    @property
    def cases(self) -> tuple[Case, ...]:
        """The findings by what their rules have in common, that of most sources first."""
        from natfix.report.cases import cases_of  # noqa: PLC0415  (asked for rarely)

        return cases_of(self.places)


def grouped(places: Iterable[Place]) -> tuple[Group, ...]:
    """The findings by their kind, the worst kind first, then by id."""
    found: dict[str, list[Place]] = {}
    for place in places:
        found.setdefault(place.finding.kind.id, []).append(place)
    made = [Group(several[0].finding.kind, tuple(several)) for several in found.values()]
    return tuple(sorted(made, key=lambda group: (-group.severity, group.kind.id)))


def pictured(result: CheckResult) -> tuple[Place, ...]:
    """The findings that a page shows with a picture: of each kind a few, with many sources of those that are not alike."""
    if not result.many:
        return tuple(place for group in result.groups for place in group.places[:PICTURED])
    return tuple(case.places[0] for group in result.groups for case in group.cases[:PICTURED])
