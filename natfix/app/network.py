"""The configuration of a cluster's network, where leases live: look at it, write it."""

from __future__ import annotations

from natfix.app.node.ports import LeaseStore
from natfix.errors import ConfigError
from natfix.plan.diff import text_diff
from natfix.report.network import NetReport
from natfix.routing.allocation import fits
from natfix.routing.network import NetworkConfig


def show(store: LeaseStore) -> NetReport:
    """Look at the configuration.

    Raises:
        HostError: the store does not answer.
    """
    text = store.config()
    if text is None:
        return NetReport("show", done=False, text=None)
    try:
        config = NetworkConfig.parse(text)
    except ConfigError as error:
        return NetReport("show", done=False, text=text, problem=str(error))
    return NetReport("show", done=False, text=text, config=config, notes=config.ignored)


def configure(store: LeaseStore, text: str, *, dry_run: bool) -> NetReport:
    """Write the configuration, as it is given, in place of the one that is there.

    Raises:
        ConfigError: no host could work with it.
        ConflictError: somebody else has written another one meanwhile.
        UnsupportedError: this store's configuration is written by somebody else.
        HostError: the store does not answer.
    """
    config = NetworkConfig.parse(text)
    before = store.config()
    notes = (*config.ignored, *_left_outside(store, config))
    if _pretty(text) == _pretty(before):
        return NetReport("set", done=False, text=text, config=config, before=before, notes=notes)
    if not dry_run:
        store.configure(text, expected=before)
    diff = text_diff(_pretty(before), _pretty(text), "the network's configuration")
    return NetReport("set", done=not dry_run, text=text, config=config, before=before, diff=diff, notes=notes)


def _left_outside(store: LeaseStore, config: NetworkConfig) -> tuple[str, ...]:
    """Say which hosts will have to take another subnet."""
    leases = store.snapshot().leases
    hosts = [lease for lease in leases if not lease.reserved]
    moved = [lease for lease in hosts if not fits(lease.subnet, config)]
    others = [lease for lease in hosts if lease.attributes.backend_type not in {"", config.backend.type}]
    told = []
    if moved:
        told.append(
            f"{len(moved)} of {len(hosts)} hosts hold a subnet that the network does not have, such as {moved[0].subnet}; "
            "each takes another one when its agent starts anew, and its containers must be made anew"
        )
    if others:
        told.append(
            f"{len(others)} of {len(hosts)} hosts still use {others[0].attributes.backend_type}; until each agent has "
            "started anew, hosts of one kind do not reach containers on those of the other"
        )
    return tuple(told)


def _pretty(text: str | None) -> bytes | None:
    """Spread JSON over lines, so that a diff shows what changes; what is none stays as it is."""
    import json  # noqa: PLC0415

    if text is None:
        return None
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False).encode("utf-8", "surrogateescape")
    except (ValueError, RecursionError):
        return text.encode("utf-8", "surrogateescape")
