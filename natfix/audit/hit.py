"""What an analysis points at, before an audit rule makes a finding of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from natfix.audit.subject import Locality, Subject
from natfix.packets import Outcome
from natfix.ruleset import Rule
from natfix.ruleset.rule import Said

if TYPE_CHECKING:  # Start-up time.
    from natfix.packets.trace import Standing


@dataclass(frozen=True, eq=False)
class Statement(Rule):
    """What decides as a rule does and is none: a chain's policy, a setting of the kernel.

    Its *spec* is the whole of it, as the program that sets it is told: ``-P FORWARD DROP``, ``net.ipv4.ip_forward = 0``.
    Its *chain* is empty for what belongs to no chain.
    """

    def __str__(self) -> str:
        """Spell it as it is told."""
        return self.spec

    @property
    def said(self) -> Said:
        """It has no options, so it leads nowhere and names no address."""
        return Said()


@dataclass(frozen=True, slots=True)
class Hit:
    """One rule that an analysis points at.

    Attributes:
        rule: the rule, or a statement in its place.
        message: what is wrong with it, one sentence.
        certain: whether that is sure, or only possible.
        locality: whose packets it concerns; None when it is about the words of the rule only.
        outcomes: the parts of these packets that lose their source there, or end there.
        behind: a rule that as things stand decides before this one does; this one would take over.
        table: the table it stands in; ``sysctl`` for a setting of the kernel, the file for a rule of a saved one.
        marked: rules of other tables that mark these packets, without which this rule would not meet them; the packets of
            *outcomes* have that mark already.
        first: a rule of another table that decides before this one does.
    """

    rule: Rule
    message: str
    certain: bool = True
    locality: Locality | None = None
    outcomes: tuple[Outcome, ...] = ()
    behind: Rule | None = None
    table: str = "nat"
    marked: tuple[Standing, ...] = ()
    first: Standing | None = None


Analysis: TypeAlias = Callable[[Subject], Iterable[Hit]]
