"""What an analysis points at, before an audit rule makes a finding of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from natfix.audit.subject import Locality, Subject
from natfix.packets import Outcome
from natfix.ruleset import Rule


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule that an analysis points at.

    Attributes:
        rule: the rule.
        message: what is wrong with it, one sentence.
        certain: whether that is sure, or only possible.
        locality: whose packets it concerns; None when it is about the words of the rule only.
        outcomes: the parts of these packets that lose their source there, or end there.
        behind: a rule that as things stand decides before this one does; this one would take over.
        table: the table it stands in.
    """

    rule: Rule
    message: str
    certain: bool = True
    locality: Locality | None = None
    outcomes: tuple[Outcome, ...] = ()
    behind: Rule | None = None
    table: str = "nat"


Analysis: TypeAlias = Callable[[Subject], Iterator[Hit]]
