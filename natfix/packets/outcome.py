"""What becomes of packets in a table."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from natfix.packets.bits import Change
from natfix.packets.packetset import PacketSet
from natfix.ruleset import Rule


class Fate(enum.Enum):
    """What a table does with a packet in the end."""

    ACCEPT = "accept"
    DROP = "drop"
    SOURCE_NAT = "source-nat"
    DESTINATION_NAT = "destination-nat"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One part of the packets and what becomes of it.

    Attributes:
        packets: the part, as it came, with the marks from before the walk.
        fate: what becomes of it; source NAT to the address a packet has anyway is ACCEPT.
        path: the rules that matched on the way, the last one being the one that decided; empty or without a deciding
            rule when the policy decided.
        rule: the rule that decided; None for the policy.
        unknown: words on the way that natfix cannot evaluate; with any, the outcome is possible, not certain.
        change: what became of their marks.
    """

    packets: PacketSet
    fate: Fate
    path: tuple[Rule, ...]
    rule: Rule | None
    unknown: tuple[str, ...] = ()
    change: Change = Change()  # noqa: RUF009  (frozen)

    @property
    def certain(self) -> bool:
        """Whether every packet of the part surely meets this fate."""
        return not self.unknown
