"""What else a host has that decides about the packets of a nat table: what they pass beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, get_args

from natfix.app.ports import Backend, Filters, Variant
from natfix.audit import Subject
from natfix.audit.subject import BEFORE_NAT, HOOK
from natfix.packets.sets import IpSets
from natfix.ruleset import Ruleset, Table

if TYPE_CHECKING:  # Start-up time: on most hosts nothing is asked before a nat table.
    from natfix.nft import NftRuleset
    from natfix.packets.trace import Place

_MARKING: Final = frozenset(table for table, _ in BEFORE_NAT)
_NOTHING: Final[Mapping[Any, Any]] = MappingProxyType({})


class Way(NamedTuple):
    """What packets pass on a host beside the nat tables of iptables.

    Attributes:
        rulesets: raw and mangle of each backend.
        places: the chains of all tables, nft's own included, that change packets, in the order in which the kernel asks them.
        own: tables of nft's own for source NAT.
    """

    rulesets: Mapping[Backend, Ruleset] = _NOTHING
    places: tuple[Place, ...] = ()
    own: tuple[Table, ...] = ()

    @classmethod
    def of(cls, read: Sequence[tuple[Backend, Ruleset]], filters: Filters, nft: NftRuleset | None = None) -> Self:
        """Read what packets pass on a host.

        Args:
            read: its nat tables.
            filters: reads raw and mangle of every backend.
            nft: nft's own tables.

        Raises:
            HostError: a table cannot be read.
        """
        own = [each.place for each in nft.chains] if nft is not None else []
        families = sorted({backend.family for backend, _ in read} | {place.table.family for place in own})
        # Where iptables cannot show its tables nft tells them, all of them, and none counts twice.
        told = {Backend(each.table.family, "nft") for each in (nft.chains if nft is not None else ()) if each.built_in}
        backends = [Backend(family, variant) for family in families for variant in get_args(Variant)]
        rulesets = {each: filters.before_nat(each) for each in backends if each not in told}
        if not own and not any(ruleset.tables for ruleset in rulesets.values()):
            return cls(rulesets)
        from natfix.audit.arrival import places_of  # noqa: PLC0415  (as most hosts are, it ends above)
        from natfix.audit.guard import TABLE  # noqa: PLC0415

        tables = [(str(backend), table) for backend, ruleset in (*rulesets.items(), *read) for table in ruleset.tables]
        sources = (each for family in families if nft is not None for each in nft.of(family, HOOK))
        # The guard names the whole cluster, and no subnet of this host.
        named = tuple(each.hooked for each in sources if not each.origin.endswith(f" {TABLE}"))
        return cls(rulesets, places_of(tables, own), named)

    def before(self, table: Table, source: str) -> tuple[Place, ...]:
        """What the kernel asks before POSTROUTING of *table*, a nat table of iptables that *source* names."""
        if not self.places:
            return ()
        from natfix.audit.arrival import before  # noqa: PLC0415  (start-up time, as above)
        from natfix.packets.trace import Place  # noqa: PLC0415

        return before(self.places, Place(table, HOOK, source))


class Beside(NamedTuple):
    """What else a host has beside one nat table.

    Attributes:
        filtering: the tables of the same backend that let packets pass or not, or mark them.
        tables: all nat tables of the host.
        way: what packets pass.
        ipsets: the host's sets by their names.
    """

    filtering: Mapping[str, Table] = _NOTHING
    tables: Sequence[Table] = ()
    way: Way = Way()
    ipsets: IpSets = _NOTHING


def in_text(subject: Subject, ruleset: Ruleset) -> Subject:
    """The subject behind what the same text says of the tables that packets pass before."""
    if subject.filtering.keys().isdisjoint(_MARKING):
        return subject
    from natfix.audit.arrival import places_of  # noqa: PLC0415  (most texts hold nothing such)

    way = Way(places=places_of([(ruleset.source, table) for table in (*subject.filtering.values(), subject.table)]))
    return replace(subject, before=way.before(subject.table, ruleset.source))
