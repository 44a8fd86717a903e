"""One rule of nft, which is one or several rules in the words of iptables."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

from natfix.ruleset import Chain, Rule

# What iptables itself calls targets, so that it lets no chain be called so; nft does.
_TARGETS: Final = frozenset(
    {"ACCEPT", "DROP", "REJECT", "RETURN", "MASQUERADE", "SNAT", "DNAT", "REDIRECT", "NETMAP", "MARK", "CONNMARK", "NOTRACK"}
    | {"LOG", "NFLOG", "TRACE", "AUDIT", "TCPMSS", "CHECKSUM", "CLASSIFY", "DSCP", "ECN", "HL", "TTL", "TOS", "TEE"}
)

MADE: Final = "@"
"""What the names of chains begin with that are made for one rule: ``@TABLE/CHAIN#HANDLE``."""


def chain_name(name: str) -> str:
    """What a chain is called in the words of iptables: as nft calls it, unless that is a target there."""
    return f"chain:{name}" if name in _TARGETS else name


@dataclass(frozen=True)
class NftRule(Rule):
    """A rule in the words of iptables, which shows itself as nft spells it.

    Attributes:
        spelled: as nft spells it.
        handle: what nft calls it by.
    """

    spelled: str = ""
    handle: int = 0

    native: ClassVar[bool] = True

    def __eq__(self, other: object) -> bool:
        """Compare chain and words, as every rule does."""
        return Rule.__eq__(self, other)

    def __hash__(self) -> int:
        """Hash what equality compares."""
        return Rule.__hash__(self)

    def __str__(self) -> str:
        """Spell the rule as nft does."""
        return self.spelled

    @property
    def home(self) -> str:
        """The chain that nft lists it in; a rule that is several stands in chains made for it besides."""
        return self.chain.partition("/")[2].rpartition("#")[0] if self.chain.startswith(MADE) else self.chain


@dataclass(frozen=True)
class NftChain(Chain):
    """A chain whose rules were put into the words of iptables.

    Attributes:
        translated: its rules.
    """

    translated: tuple[Rule, ...] = ()

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in order."""
        return self.translated
