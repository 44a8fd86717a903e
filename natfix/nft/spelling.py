"""Rules as nft itself spells them, as far as natfix has to quote them (nft(8))."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

_BARE_META: Final = frozenset({"iif", "oif", "iifname", "oifname"})
_BARE_STATEMENTS: Final = frozenset(
    {"accept", "drop", "return", "continue", "masquerade", "redirect", "notrack", "counter", "reject"}
)
_LONGEST_DECIMAL: Final = 65535  # A port is decimal; a mark is not.


def spelled(expressions: Sequence[Mapping[str, Any]]) -> str:
    """Spell a rule; what is spelled otherwise by nft is spelled as its JSON."""
    return " ".join(statement(each) for each in expressions)


def statement(one: Mapping[str, Any]) -> str:
    """Spell one match, statement or verdict."""
    ((kind, value),) = one.items()
    if kind == "match":
        operator = "" if value["op"] in {"==", "in"} else f"{value['op']} "
        return f"{left(value['left'])} {operator}{right(value['right'])}"
    if kind in {"jump", "goto"}:
        return f"{kind} {value['target']}"
    if kind == "vmap":
        return f"{left(value['key'])} vmap {right(value['data'])}"
    if kind in {"snat", "dnat"} and isinstance(value, Mapping) and isinstance(value.get("addr"), str):
        return f"{kind} to {value['addr']}"
    if kind == "mangle":
        return f"{left(value['key'])} set {right(value['value'])}"
    return kind if kind in _BARE_STATEMENTS else _json(one)


def left(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Spell what a match looks at: ``ip saddr``, ``oifname``, ``meta mark & 0x4000``."""
    if isinstance(value, Mapping) and len(value) == 1:
        ((kind, inner),) = value.items()
        spell = _LEFT.get(kind)
        return _json(value) if spell is None else spell(kind, inner)
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
    return " . ".join(map(left, inner))


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
        "&": _combined,
        "|": _combined,
        "^": _combined,
    }
)


def right(value: Any) -> str:  # noqa: ANN401  (JSON)
    """Spell what it is compared with: an address, a range, a set."""
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
    if kind == "set":
        return "{ " + ", ".join(map(_element, inner)) + " }"
    return left(value)


def _element(value: Any) -> str:  # noqa: ANN401  (JSON)
    if not isinstance(value, list):
        return right(value)
    key, verdict = value
    return f"{right(key)} : {statement(verdict)}"


def _json(value: Any) -> str:  # noqa: ANN401  (JSON)
    return json.dumps(value, separators=(",", ":"))
