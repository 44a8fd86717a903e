"""Rules as nft itself spells them, as far as natfix has to quote them (nft(8))."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final

_BARE_META: Final = frozenset({"iif", "oif", "iifname", "oifname"})
_BARE_STATEMENTS: Final = frozenset(
    {"accept", "drop", "return", "continue", "masquerade", "redirect", "notrack", "counter", "reject"}
)
_VERDICTS: Final = frozenset({"accept", "drop", "return", "continue", "reject", "jump", "goto", "queue"})
_COMBINING: Final = frozenset({"&", "|", "^"})
_LONGEST_DECIMAL: Final = 65535  # A port is decimal; a mark is not.


def spelled(expressions: Sequence[Any]) -> str:
    """Spell a rule; what is spelled otherwise by nft is spelled as its JSON."""
    return " ".join(each if isinstance(each, str) else statement(each) for each in expressions)


def statement(one: Mapping[str, Any]) -> str:
    """Spell one match, statement or verdict."""
    ((kind, value),) = one.items()
    spell = _STATEMENTS.get(kind)
    if spell is not None and isinstance(value, Mapping):
        with suppress(LookupError, TypeError):
            return spell(kind, value)
        return _json(one)
    return kind if kind in _BARE_STATEMENTS else _json(one)


def _match(_: str, value: Mapping[str, Any]) -> str:
    is_bare = value["op"] == "in" or (value["op"] == "==" and _COMBINING.isdisjoint(value["left"]))
    return f"{left(value['left'])} {'' if is_bare else value['op'] + ' '}{right(value['right'])}"


def _jump(kind: str, value: Mapping[str, Any]) -> str:
    return f"{kind} {value['target']}"


def _mapped(kind: str, value: Mapping[str, Any]) -> str:
    return f"{left(value['key'])} {kind} {right(value['data'])}"


def _mangle(_: str, value: Mapping[str, Any]) -> str:
    return f"{left(value['key'])} set {right(value['value'])}"


def _translation(kind: str, value: Mapping[str, Any]) -> str:
    address = right(value["addr"]) if "addr" in value else ""
    port = f":{right(value['port'])}" if "port" in value else ""
    family = f" {value['family']}" if "family" in value else ""
    prefix = " prefix" if value.get("type_flags") == "prefix" else ""
    where = f" to {f'[{address}]' if port and ':' in address else address}{port}" if address or port else ""
    flags = value.get("flags", ())
    # That networks are put in place of networks is said by "prefix" already.
    drawn = ",".join(each for each in ([flags] if isinstance(flags, str) else flags) if each != "netmap")
    return f"{kind}{family}{prefix}{where}{f' {drawn}' if drawn else ''}"


def _filling(kind: str, value: Mapping[str, Any]) -> str:
    data = [f": {right(value['data'])}"] if "data" in value else []
    inner = " ".join([right(value["elem"]), *map(statement, value.get("stmt", ())), *data])
    return f"{value['op']} {value[kind]} {{ {inner} }}"


def _meter(_: str, value: Mapping[str, Any]) -> str:
    return f"meter {value['name']} {{ {right(value['key'])} {statement(value['stmt'])} }}"


def _count(kind: str, value: Mapping[str, Any]) -> str:
    return f"{kind} {'over ' if value.get('inv') else ''}{value['val']}"


def _limit(_: str, value: Mapping[str, Any]) -> str:
    unit = f" {value['rate_unit']}" if "rate_unit" in value else ""
    burst = f" burst {value['burst']} {value.get('burst_unit', 'packets')}" if "burst" in value else ""
    return f"limit rate {'over ' if value.get('inv') else ''}{value['rate']}{unit}/{value['per']}{burst}"


_STATEMENTS: Final[Mapping[str, Callable[[str, Any], str]]] = MappingProxyType(
    {
        "match": _match,
        "jump": _jump,
        "goto": _jump,
        "vmap": _mapped,
        "mangle": _mangle,
        **dict.fromkeys(("snat", "dnat", "masquerade", "redirect"), _translation),
        "set": _filling,
        "map": _filling,
        "meter": _meter,
        "ct count": _count,
        "limit": _limit,
    }
)


def left(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Spell what a match looks at: ``ip saddr``, ``oifname``, ``meta mark & 0x4000``."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, inner),) = value.items()
        spell = _LEFT.get(kind)
        if spell is not None:
            with suppress(LookupError, TypeError):
                return spell(kind, inner)
    return _json(value)


def _payload(_: str, inner: Mapping[str, Any]) -> str:
    return f"{inner['protocol']} {inner['field']}" if "field" in inner else f"@{inner['base']},{inner['offset']},{inner['len']}"


def _meta(_: str, inner: Mapping[str, Any]) -> str:
    return str(inner["key"]) if inner["key"] in _BARE_META else f"meta {inner['key']}"


def _connection(_: str, inner: Mapping[str, Any]) -> str:
    return f"ct {inner['dir']} {inner['key']}" if "dir" in inner else f"ct {inner['key']}"


def _fib(_: str, inner: Mapping[str, Any]) -> str:
    return f"fib {' . '.join(inner['flags'])} {inner['result']}"


def _concatenated(_: str, inner: Sequence[Any]) -> str:
    return " . ".join(map(right, inner))


def _option(kind: str, inner: Mapping[str, Any]) -> str:
    return f"{kind} {inner['name']} {inner['field']}" if "field" in inner else f"{kind} {inner['name']}"


def _route(kind: str, inner: Mapping[str, Any]) -> str:
    return f"{kind} {inner['key']}"


def _combined(operator: str, inner: Sequence[Any]) -> str:
    mask = hex(inner[1]) if isinstance(inner[1], int) else right(inner[1])
    return f"{left(inner[0])} {operator} {mask}"


_LEFT: Final[Mapping[str, Callable[[str, Any], str]]] = MappingProxyType(
    {
        "payload": _payload,
        "meta": _meta,
        "ct": _connection,
        "fib": _fib,
        "concat": _concatenated,
        "map": _mapped,
        "tcp option": _option,
        "rt": _route,
        **dict.fromkeys(_COMBINING, _combined),
    }
)


def right(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Spell what it is compared with: an address, a range, a set."""
    if isinstance(value, bool):
        return "exists" if value else "missing"
    if isinstance(value, int):
        return hex(value) if value > _LONGEST_DECIMAL else str(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return ",".join(map(right, value))
    return _structure(value)


def _structure(value: Mapping[str, Any]) -> str:
    if len(value) != 1:
        return _json(value)
    ((kind, inner),) = value.items()
    if kind == "prefix":
        return f"{inner['addr']}/{inner['len']}"
    if kind == "range":
        return f"{right(inner[0])}-{right(inner[1])}"
    if kind == "elem" and "val" in inner:
        return f"{right(inner['val'])} timeout {inner['timeout']}s" if "timeout" in inner else right(inner["val"])
    if kind == "set":
        return "{ " + ", ".join(map(_element, inner)) + " }"
    return left(value)


def _element(value: Any) -> str:  # noqa: ANN401  (JSON)
    if not isinstance(value, list):
        return right(value)
    key, given = value
    is_verdict = isinstance(given, Mapping) and not _VERDICTS.isdisjoint(given)
    return f"{right(key)} : {statement(given) if is_verdict else right(given)}"


def _json(value: Any) -> str:  # noqa: ANN401  (JSON)
    return json.dumps(value, separators=(",", ":"))
