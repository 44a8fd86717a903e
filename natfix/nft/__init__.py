"""nftables' own rules, from ``nft -j list ruleset``, put into the words of iptables, so that one walk serves both. Pure.

Sources: libnftables-json(5), nft(8); nf_tables_core.c. What has no words in iptables becomes a match that nobody can evaluate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from natfix.nft.listing import BaseChain, NftRuleset, parse_nft
    from natfix.nft.rule import NftRule

__all__ = ["BaseChain", "NftRule", "NftRuleset", "parse_nft"]


def __getattr__(name: str) -> Any:  # noqa: ANN401  (PEP 562: most hosts have no such tables, and never ask)
    if name not in __all__:
        raise AttributeError(f"module 'natfix.nft' has no attribute {name!r}")
    from natfix.nft import listing  # noqa: PLC0415

    value = getattr(listing, name)
    globals()[name] = value
    return value
