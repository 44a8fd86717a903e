"""The host as the use cases that change it see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from natfix.app.change_ports import Connections, History, Turnstile, Watchdog
from natfix.app.guard_ports import GuardStore
from natfix.app.ports import Clock, Files, Filters, Links, NftListing, RulesetStore, SavedRulesets


@dataclass(frozen=True, slots=True)
class Machine:
    """Every port a change needs.

    Attributes:
        stores: the nat tables of this host that hold rules.
        links: its interfaces and routes.
        files: its files.
        connections: its tracked connections.
        history: what natfix changed before.
        turnstile: one natfix at a time.
        watchdog: undoes what nobody confirms.
        saved: the files that are loaded at boot.
        clock: the time of day.
        guard: the tables of the guard.
        native: nft's own tables, which natfix looks at and leaves alone; None where nobody asks.
        filters: the tables of iptables beside nat, which natfix looks at and leaves alone; None where nobody asks.
    """

    stores: Sequence[RulesetStore]
    links: Links
    files: Files
    connections: Connections
    history: History
    turnstile: Turnstile
    watchdog: Watchdog
    saved: SavedRulesets
    clock: Clock
    guard: GuardStore
    native: NftListing | None = None
    filters: Filters | None = None
