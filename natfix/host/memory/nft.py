"""The twin of nft's own tables."""

from __future__ import annotations

import json
from collections.abc import Collection

from natfix.app.ports import NftListing
from natfix.errors import HostError
from natfix.nft.opaque import CHAINS, is_iptables
from natfix.ruleset import Family


class MemoryNftListing(NftListing):
    """Tables that a test made up.

    Args:
        data: what ``nft -j list ruleset`` would print; None for a host without tables.
        problem: why they cannot be read.
    """

    def __init__(self, data: bytes | None = None, problem: str = "") -> None:
        self.data = data
        self.problem = problem

    def read(self, also: Collection[Family] = ()) -> bytes | None:
        """Print what iptables does not show."""
        if self.problem:
            raise HostError(self.problem)
        if self.data is None:
            return None
        objects = json.loads(self.data)["nftables"]
        mixed = {"ip" if family is Family.IPV4 else "ip6" for family in also}
        others = {_table(each) for each in objects if "hook" in each.get("chain", ()) and each["chain"]["name"] not in CHAINS}
        kept = [each for each in objects if _is_kept(each, mixed, others)]
        return json.dumps({"nftables": kept}).encode() if any("table" in each for each in kept) else None


def _is_kept(each: dict[str, dict[str, str]], mixed: set[str], others: set[tuple[str, str]]) -> bool:
    family, table = _table(each)
    if not is_iptables(family, table) or family in mixed:
        return True
    chain = each["chain"]["name"] if "chain" in each else each.get("rule", {}).get("chain", "")
    return (family, table) in others and chain not in CHAINS


def _table(each: dict[str, dict[str, str]]) -> tuple[str, str]:
    ((kind, value),) = each.items()
    return value.get("family", ""), value.get("name" if kind == "table" else "table", "")
