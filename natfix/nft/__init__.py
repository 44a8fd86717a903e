"""nftables' own rules, from ``nft -j list ruleset``, put into the words of iptables, so that one walk serves both. Pure.

Sources: libnftables-json(5), nft(8); nf_tables_core.c. What has no words in iptables becomes a match that nobody can evaluate.
"""

from __future__ import annotations

from natfix.nft.listing import BaseChain, NftRuleset, parse_nft
from natfix.nft.rule import NftRule

__all__ = ["BaseChain", "NftRule", "NftRuleset", "parse_nft"]
