"""What iptables shows of a host, and what nft has to show in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from natfix.app.ports import Backend, NftListing, RulesetStore
from natfix.errors import HostError, UnsupportedError
from natfix.ruleset import Family, Ruleset


@dataclass
class Shown:
    """What was read, and who could not show it.

    Attributes:
        read: the rulesets that iptables shows.
        refused: for each family of which iptables-nft shows none, why.
    """

    read: list[tuple[RulesetStore, Ruleset]] = field(default_factory=list)
    refused: dict[Family, UnsupportedError] = field(default_factory=dict)

    def native(self, listing: NftListing, notes: list[str]) -> bytes | None:
        """Read nft's own tables, and those that iptables does not show.

        Raises:
            UnsupportedError: iptables does not show some, and nft does neither.
            HostError: nft's own tables cannot be read.
        """
        try:
            data = listing.read(tuple(self.refused))
        except HostError:
            if self.refused:
                raise next(iter(self.refused.values())) from None
            raise
        for family, error in self.refused.items():
            if not _tells_of(data, family):
                raise error
        notes += [f"{Backend(family, 'nft')}: {error.message}; nft told its tables" for family, error in self.refused.items()]
        return data


def _tells_of(data: bytes | None, family: Family) -> bool:
    """Whether a listing has the tables of iptables of a family; one that an older natfix collected has not."""
    import json  # noqa: PLC0415  (few hosts come to this)

    from natfix.nft.opaque import is_iptables  # noqa: PLC0415

    name = "ip" if family is Family.IPV4 else "ip6"
    tables = (each["table"] for each in json.loads(data)["nftables"] if "table" in each) if data else ()
    return any(table["family"] == name and is_iptables(name, table["name"]) for table in tables)


def shown(stores: Iterable[RulesetStore], read: Callable[[RulesetStore], Ruleset]) -> Shown:
    """Read the rulesets of a host; what iptables cannot show is for nft to tell.

    Raises:
        HostError: a table cannot be read.
        UnsupportedError: of iptables-legacy, of which nft knows nothing.
    """
    found = Shown()
    for store in stores:
        try:
            found.read.append((store, read(store)))
        except UnsupportedError as error:
            if store.backend.variant != "nft":
                raise
            found.refused[store.backend.family] = error
    return found
