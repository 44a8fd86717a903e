"""The twin of nft's own tables."""

from __future__ import annotations

import json

from natfix.app.ports import NftListing
from natfix.errors import HostError


class MemoryNftListing(NftListing):
    """Tables that a test made up.

    Args:
        data: what ``nft -j list ruleset`` would print; None for a host without tables.
        problem: why they cannot be read.
    """

    def __init__(self, data: bytes | None = None, problem: str = "") -> None:
        self.data = data
        self.problem = problem

    def read(self) -> bytes | None:
        """Print every table that is not iptables'."""
        if self.problem:
            raise HostError(self.problem)
        if self.data is None:
            return None
        iptables = {("ip", name) for name in ("raw", "mangle", "nat", "filter", "security")}
        kept = [each for each in json.loads(self.data)["nftables"] if _table(each) not in iptables]
        return json.dumps({"nftables": kept}).encode() if any("table" in each for each in kept) else None


def _table(each: dict[str, dict[str, str]]) -> tuple[str, str]:
    ((kind, value),) = each.items()
    family = {"ip6": "ip"}.get(value.get("family", ""), value.get("family", ""))
    return family, value.get("name" if kind == "table" else "table", "")
