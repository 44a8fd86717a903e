"""Suppressions as the administrator writes them in /etc/natfix/natfix.toml.

Each is a table of its own; id, reason and until must be there, of the others what is said narrows it::

    [[suppress]]
    id = "NAT006"
    reason = "masquerade for the office network; its pods have no routes yet"
    until = 2027-03-31                  # the last day on which it holds
    chain = "POSTROUTING"               # the chain of the rule that is found
    rule = "-o eth0 -j MASQUERADE"      # that rule
    source = "172.7.21.0/24"            # a network in which its source lies
    host = "node1"                      # the name of the host, as hostname prints it
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from natfix.audit import Suppression
from natfix.errors import ConfigError
from natfix.ruleset import parse_network

_HINT: Final = 'Write it as: [[suppress]], id = "NAT006", reason = "…", until = 2027-03-31'
_TEXTS: Final = ("id", "reason", "chain", "rule", "source", "host")
_NEEDED: Final = ("id", "reason", "until")


def read_suppressions(value: object, place: str) -> tuple[Suppression, ...]:
    """Read the tables [[suppress]].

    Raises:
        ConfigError: they say something impossible, or less than they must.
    """
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ConfigError(f"{place} must be a list of tables", hint=_HINT)
    return tuple(_read(each, f"{place} {number}") for number, each in enumerate(value, 1))


def _read(table: Mapping[str, Any], place: str) -> Suppression:
    _refuse_wrong_keys(table, place)
    until = table["until"]
    # TOML's date with a time is a date in Python too, and would be a day in nobody's time zone.
    if not isinstance(until, date) or isinstance(until, datetime):
        raise ConfigError(f"{place}: until must be a day, without quotes: until = 2027-03-31", hint=_HINT)
    try:
        source = parse_network(table["source"]) if table.get("source") else None
    except ValueError as error:
        raise ConfigError(f"{place}: source is no network: {error}", hint=_HINT) from error
    texts = {key: table[key] for key in _TEXTS if key != "source" and key in table}
    return Suppression(**texts, until=until, source=source, place=place)


def _refuse_wrong_keys(table: Mapping[str, Any], place: str) -> None:
    for key in table:
        if key not in {*_TEXTS, "until"}:
            raise ConfigError(f"{place}: unknown key {key}", hint=f"Known keys: {', '.join((*_TEXTS, 'until'))}.")
    for key in _NEEDED:
        if not table.get(key):
            raise ConfigError(f"{place}: {key} is missing", hint=_HINT)
    for key in _TEXTS:
        if not isinstance(table.get(key, ""), str):
            raise ConfigError(f"{place}: {key} must be a text", hint=_HINT)
