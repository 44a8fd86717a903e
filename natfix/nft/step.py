"""A rule of nft as steps: at each one a packet takes one of several ways, or leaves the rule."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final, TypeAlias

from natfix.packets.bits import Change

UNCHANGED: Final = Change()


class How(enum.Enum):
    """Where a way leads."""

    ON = "to the next step of the rule"
    END = "nowhere: the table is done with the packet"
    CALL = "into a chain, and behind the rule when that is over"
    LEAVE = "out of the chain in which the rule stands"


@dataclass(frozen=True, slots=True)
class Way:
    """One way at a step.

    Attributes:
        test: words that a packet must meet to take it; empty where every packet does. No packet meets those of two ways of one
            step, unless nobody can evaluate them.
        does: the words of a target; empty for nothing.
        how: where it leads.
        change: what it does to the mark.
    """

    test: str = ""
    does: str = ""
    how: How = How.ON
    change: Change = UNCHANGED

    @property
    def comes_back(self) -> bool:
        """Whether packets that took it go on behind the rule, perhaps changed."""
        return bool(self.does) and self.how in {How.ON, How.CALL}

    @property
    def final(self) -> str:
        """The words by which it ends a chain that was made for a rule: what it leads to goes on behind the rule."""
        return f"-g {self.does.removeprefix('-j ')}" if self.how is How.CALL else self.does


Step: TypeAlias = tuple[Way, ...]
EVERYBODY: Final[Step] = (Way(),)
MARKS_UNSEEN: Final = Way(does="-j nft:mark", change=Change.to_unknown())
"""What sets the mark of packets to something that nobody knows, and does nothing else (natfix.packets.target)."""
NOBODY: Final[Step] = ()


def asked(*alternatives: str) -> Step:
    """A step that only tests."""
    return tuple(Way(words) for words in alternatives)
